"""
What a room API is: a toolkit, with tools that participants call.

Each API is one module: the models of its requests, its state, and its tools, every one with the
right that it takes. The right is checked here, before a tool runs, so no API can forget to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from syncroom.errors import (
    Conflict,
    Damaged,
    Denied,
    LimitExceeded,
    Malformed,
    Misconfigured,
    NotFound,
    SyncroomError,
    Unauthenticated,
    Unavailable,
)
from syncroom.protocol.meshagent import Content

if TYPE_CHECKING:
    from syncroom.apis.calls import HostedCall
    from syncroom.apis.live_map import LiveList, LiveMap
    from syncroom.auth.participant import Participant

OPERATION_FAILED = 1008

NUMBERS: Mapping[type[SyncroomError], int] = {
    Denied: 1001,
    Unauthenticated: 1001,
    Malformed: 1002,
    LimitExceeded: 1002,
    NotFound: 1003,
    Conflict: 1004,
    Misconfigured: 1007,
    Unavailable: OPERATION_FAILED,
    Damaged: OPERATION_FAILED,
}
"""What the SDKs know each kind of error as."""

_REASONS_MAX = 3


class LagsBehind(Protocol):
    """Something that sends a participant more than it can wait for."""

    def pause(self) -> None:
        """The participant reads slower than it is sent to."""

    def resume(self) -> None:
        """It has read most of what it was sent."""


class Caller(Protocol):
    """A participant on one connection, which calls tools and may host some."""

    id: str
    """Of this connection: two of one participant are two callers."""
    participant: Participant
    room_url: str
    """Where it found the room."""
    is_early: bool
    """Whether its SDK is older than 0.42, as the one on npm is."""
    attributes: dict[str, Any]
    hosted: dict[int, HostedCall]
    """The calls that it has to answer, by the number of the message that asked it to."""

    readers: set[LagsBehind]
    """What has to know when it reads slower than it is sent to."""

    def send(self, kind: str, header: Mapping[str, Any], payload: bytes = b"") -> int:
        """Send a message; return its number."""

    def write(self, frames: bytes) -> None:
        """Send messages that are encoded already."""

    def next_number(self) -> int:
        """The number for a message that is encoded elsewhere."""

    async def drained(self) -> None:
        """Wait while it reads slower than it is sent to."""

    def hold_back(self, change: int) -> bool:
        """Count bytes that it sent to streams and nobody has read, or has by now.

        Returns:
            Whether they are not too many.
        """

    def spend(self, seconds: float) -> None:
        """Count processor time that was taken for it, beside that of taking a message."""


class Model(BaseModel):
    """A part of a request; what a client adds that is not known here is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Request(Model):
    """What a tool is asked."""

    payload: bytes = b""
    """The raw bytes that came with it."""


Reply: TypeAlias = Content | Mapping[str, Any] | None
"""What a tool answers: a content, a JSON object, or nothing."""

Permits: TypeAlias = Callable[["Participant", Any], bool]
"""Whether a participant may make a request."""

_Function = TypeVar("_Function", bound=Callable[..., Reply | Awaitable[Reply]])


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool of a toolkit.

    Args:
        name: what callers know it as.
        model: what it is asked.
        permits: the right that it takes.
        run: the function, called with toolkit, caller and request, and with the stream if it is
            one that streams.
        streams: whether its input or output is a stream.
        opens_late: whether the tool itself says when the stream is open.
        begins_at_once: whether it is asked nothing, so that no first content is waited for.
    """

    name: str
    model: type[Request]
    permits: Permits
    run: Callable[..., Reply | Awaitable[Reply]]
    streams: bool = False
    opens_late: bool = False
    begins_at_once: bool = False


class Toolkit:
    """A room API: the tools are those of its methods that bear `tool` or `stream`."""

    name: ClassVar[str]
    grant: ClassVar[str]
    """The field of an api scope without which none of its tools may be called."""
    numbers: ClassVar[Mapping[type[SyncroomError], int]] = {}
    """What this API's clients know errors as, where that is not what all of them do."""
    tools: ClassVar[Mapping[str, Tool]] = {}
    map: LiveMap | LiveList | None = None
    """What it shows of its state."""

    def __init_subclass__(cls) -> None:
        found = [each.__dict__.get("tool") for each in vars(cls).values() if callable(each)]
        own = {each.name: each for each in found if isinstance(each, Tool)}
        cls.tools = {**cls.tools, **own}

    def leave(self, caller: Caller) -> None:
        """Let go of all that a caller has here, for it is gone."""

    async def occupies(self, path: str) -> bool:
        """Whether something of this API is at a path, where no document can be then."""
        return False

    def check(self, caller: Caller) -> None:
        """Raise `Denied` where a caller may not use this API at all."""
        scope = caller.participant.scope
        if scope is None or getattr(scope, self.grant) is None:
            raise denied(f"the token has no {self.grant} grant")

    def request_of(self, tool: Tool, caller: Caller, arguments: Content) -> Request:
        """What a caller asks, once it is known that it may; raises `Malformed`, `Denied`."""
        try:
            request = tool.model.model_validate(
                {**_fields(arguments), "payload": arguments.payload}
            )
        except ValidationError as error:
            raise Malformed(f"{self.name}.{tool.name}: {_reasons(error)}") from None
        if not tool.permits(caller.participant, request):
            raise denied(f"{self.name}.{tool.name}")
        return request

    def number(self, error: SyncroomError) -> int:
        """The number that clients know an error as."""
        for kind in type(error).__mro__:
            if kind in self.numbers:
                return self.numbers[kind]
            if kind in NUMBERS:
                return NUMBERS[kind]
        return OPERATION_FAILED


def tool(model: type[Request], permits: Permits) -> Callable[[_Function], _Function]:
    """Make a method a tool that is asked once and answers once."""
    return _mark(model, permits)


def stream(
    model: type[Request],
    permits: Permits,
    *,
    opens_late: bool = False,
    begins_at_once: bool = False,
) -> Callable[[_Function], _Function]:
    """Make a method a tool whose input or output is a stream; the model is of its first content."""
    how = {"opens_late": opens_late, "begins_at_once": begins_at_once}
    return _mark(model, permits, streams=True, **how)


def always(participant: Participant, request: Request) -> bool:
    """Nothing beyond the grant itself."""
    return True


def denied(what: str) -> Denied:
    """The refusal, in the words that SDKs look for."""
    return Denied(
        f"permission denied: you do not have permission to perform the requested action: {what}"
    )


def _mark(model: type[Request], permits: Permits, **how: bool) -> Callable[[_Function], _Function]:
    def mark(function: _Function) -> _Function:
        function.tool = Tool(function.__name__, model, permits, function, **how)  # type: ignore[attr-defined]
        return function

    return mark


def _fields(arguments: Content) -> Mapping[str, Any]:
    """The object that a content brings."""
    if arguments.kind == "empty":
        return {}
    if not arguments.kind:
        return arguments.header  # early SDKs send the object itself
    fields = arguments.header.get("headers" if arguments.kind == "binary" else "json")
    if not isinstance(fields, dict):
        raise Malformed(f"a content of type {arguments.kind!r} came where an object is needed")
    return fields


def _reasons(error: ValidationError) -> str:
    """The first faults, by name; the values are left out, for they may be anybody's content."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(map(str, it['loc']))}: {_own(it['msg'])}" for it in faults]
    return "; ".join(named[:_REASONS_MAX])


def _own(reason: str) -> str:
    """A reason without what pydantic puts before ours, and without the names of our classes."""
    return reason.removeprefix("Value error, ").partition(" or instance of ")[0]
