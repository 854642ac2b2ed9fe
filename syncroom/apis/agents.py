"""
Toolkits that participants host for each other, and calls of agents elsewhere.  Grant: `agents`.
State: `.room/toolkits`, the public ones.

A public toolkit is for everybody in the room, a private one for those who know its host. Among
toolkits of one name the newest answers: an older one may be of a connection that is dead.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, JsonValue

from syncroom.apis.base import Caller, Model, Request, Toolkit, always, denied, tool
from syncroom.apis.calls import Call, HostedCall
from syncroom.apis.live_map import LiveMap
from syncroom.errors import Conflict, LimitExceeded, Malformed, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from syncroom.apis.base import Permits
    from syncroom.auth.participant import Participant
    from syncroom.auth.scopes import AgentsGrant
    from syncroom.limits import Limits
    from syncroom.protocol.meshagent import Content

_WAIT_S_MAX = 60.0
"""Of a list that waits for a participant's toolkits."""

_TOOLKITS_MAX = 200
"""Of one participant."""

RESERVED = frozenset(
    "containers dataset developer livekit memory messaging mounts queues secrets services sqlite "
    "storage sync".split()
)
"""Toolkits that are the room's own, whether it has them or not."""

_Name = Annotated[str, Field(min_length=1, max_length=256)]
_Text = Annotated[str, Field(max_length=1 << 16)]


class ContentSpec(Model):
    """What a tool takes or gives. SDKs fail to list anything where a type is not known to them."""

    types: list[Literal["binary", "json", "text", "file", "link", "empty"]] = Field(min_length=1)
    stream: bool = False
    schema_: dict[str, JsonValue] | None = Field(default=None, alias="schema")


class HostedTool(Model):
    """One tool of a toolkit that somebody hosts."""

    title: _Text | None = None
    description: _Text | None = None
    input_spec: ContentSpec | None = None
    output_spec: ContentSpec | None = None
    defs: dict[str, JsonValue] | None = None
    strict: bool | None = None
    input_schema: dict[str, JsonValue] | None = None
    output_schema: dict[str, JsonValue] | None = None


class RegisterToolkit(Request):
    """A toolkit that the caller hosts."""

    name: _Name
    title: _Text | None = None
    description: _Text | None = None
    thumbnail_url: _Text | None = None
    tools: dict[_Name, HostedTool] = Field(default_factory=dict, max_length=1000)
    public: bool = False
    annotations: dict[_Name, _Text] = Field(default_factory=dict, max_length=100)


class UnregisterToolkit(Request):
    """A registration to end."""

    id: str


class ListToolkits(Request):
    """Which toolkits to list: public ones and the caller's own, and those of one participant."""

    participant_id: str | None = None
    participant_name: str | None = None
    timeout: float | None = Field(default=None, allow_inf_nan=False)
    """Seconds to wait until that participant has a toolkit."""


class CallAgent(Request):
    """An agent elsewhere that is asked to join the room."""

    name: _Name
    url: Annotated[str, Field(max_length=4096)]
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    api: dict[str, JsonValue] | None = None


class Registration(NamedTuple):
    """A toolkit, and who hosts it."""

    id: str
    host: Caller
    toolkit: RegisterToolkit
    size: int
    """Of its description, in bytes."""

    def describe(self) -> dict[str, Any]:
        """What SDKs are told of it."""
        described = self.toolkit.model_dump(
            by_alias=True, exclude={"payload", "name", "public"}, exclude_none=True
        )
        return {"title": "", "description": "", **described, "participant_id": self.host.id}


def _has(right: Callable[[AgentsGrant], bool]) -> Permits:
    def permits(participant: Participant, request: Request) -> bool:
        agents = participant.scope.agents if participant.scope is not None else None
        return agents is not None and right(agents)

    return permits


def _may_register(participant: Participant, request: RegisterToolkit) -> bool:
    if request.public:
        return _has(lambda agents: agents.register_public_toolkit)(participant, request)
    return _has(lambda agents: agents.register_private_toolkit)(participant, request)


class Agents(Toolkit):
    """The toolkits that participants host in one room.

    Args:
        dial: calls an agent by its URL, for a caller.
        limits: the bounds of the server.
    """

    name: ClassVar = "agents"
    grant: ClassVar = "agents"
    map: LiveMap

    def __init__(
        self, dial: Callable[[Caller, CallAgent], Awaitable[None]], limits: Limits
    ) -> None:
        self._bytes_max = limits.member_toolkits_bytes_max
        self.map = LiveMap(".room/toolkits", self._public)
        self._dial = dial
        self._registrations: dict[str, Registration] = {}
        """By id, the newest last."""
        self._news = asyncio.Event()

    @tool(RegisterToolkit, _may_register)
    def register_toolkit(self, caller: Caller, request: RegisterToolkit) -> dict[str, Any]:
        """Let others call a toolkit of the caller's."""
        if request.name in RESERVED:
            raise Conflict(f"the toolkit {request.name!r} is the room's own; use another name")
        hosted = [each for each in self._registrations.values() if each.host is caller]
        if len(hosted) >= _TOOLKITS_MAX:
            raise Malformed(f"a participant may host {_TOOLKITS_MAX} toolkits")
        size = len(request.model_dump_json(exclude={"payload"}))
        all_bytes, allowed = size + sum(it.size for it in hosted), self._bytes_max
        if all_bytes > allowed:
            raise LimitExceeded(
                f"your toolkits are described in {all_bytes} bytes, {allowed} are allowed"
            )
        registration = Registration(secrets.token_hex(16), caller, request, size)
        self._registrations[registration.id] = registration
        if request.public:
            self.map.set(registration.id, self._shown(registration))
        self._news.set()
        self._news = asyncio.Event()
        return {"id": registration.id}

    @tool(UnregisterToolkit, always)
    def unregister_toolkit(self, caller: Caller, request: UnregisterToolkit) -> None:
        """Take a toolkit of the caller's back."""
        registration = self._registrations.get(request.id)
        if registration is None or registration.host is not caller:
            raise NotFound(f"there is no toolkit of yours with the id {request.id!r}")
        self._remove(registration)
        for each in list(caller.hosted.values()):
            if each.registration_id == request.id:
                each.lose_host("the toolkit is not offered any more")

    @tool(ListToolkits, _has(lambda agents: agents.use_tools))
    async def list_toolkits(self, caller: Caller, request: ListToolkits) -> dict[str, Any]:
        """List the toolkits that a caller may use."""
        wanted = request.participant_id, request.participant_name
        if any(wanted) and request.timeout:
            await self._wait_for(wanted, min(request.timeout, _WAIT_S_MAX))
        seen = {
            each.toolkit.name: each.describe()
            for each in self._registrations.values()
            if (each.toolkit.public or each.host is caller or _is_of(each, wanted))
            and _may_use(caller, each.toolkit.name)
        }
        return {"tools": seen}

    @tool(CallAgent, _has(lambda agents: agents.call))
    async def call(self, caller: Caller, request: CallAgent) -> None:
        """Ask an agent elsewhere to join the room."""
        await self._dial(caller, request)

    def invoke(
        self,
        call: Call,
        toolkit: str,
        tool: str,
        arguments: Content,
        *,
        participant_id: str | None,
        on_behalf_of_id: str | None,
    ) -> None:
        """Pass a call on to whoever hosts the toolkit; raises `Denied`, `NotFound`."""
        caller = call.caller
        self.check(caller)
        agents = caller.participant.scope.agents if caller.participant.scope else None
        if agents is None or not agents.call or not _may_use(caller, toolkit):
            raise denied(f"to call the toolkit {toolkit!r}")
        registration = self._find(caller, toolkit, participant_id)
        if registration is None:
            raise NotFound(f"there is no toolkit {toolkit!r} that you may call")
        if tool not in registration.toolkit.tools:
            raise NotFound(f"the toolkit {toolkit!r} has no tool {tool!r}")
        hosted = HostedCall(
            call, registration.host, toolkit, tool, arguments, on_behalf_of_id, registration.id
        )
        hosted.link()

    def leave(self, caller: Caller) -> None:
        for each in [it for it in self._registrations.values() if it.host is caller]:
            self._remove(each)

    def _find(self, caller: Caller, name: str, participant_id: str | None) -> Registration | None:
        """The newest that fits best: of the participant that is named, or else the caller's own."""
        found = [it for it in reversed(self._registrations.values()) if it.toolkit.name == name]
        host_id = participant_id or caller.id
        theirs = next((each for each in found if each.host.id == host_id), None)
        return theirs or next((each for each in found if each.toolkit.public), None)

    def _remove(self, registration: Registration) -> None:
        del self._registrations[registration.id]
        if registration.toolkit.public:
            self.map.remove(registration.id)

    async def _wait_for(self, wanted: tuple[str | None, str | None], timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not any(_is_of(each, wanted) for each in self._registrations.values()):
                    await self._news.wait()
        except TimeoutError:
            return  # then the list is without them

    def _public(self) -> dict[str, dict[str, object]]:
        public = (each for each in self._registrations.values() if each.toolkit.public)
        return {each.id: self._shown(each) for each in public}

    def _shown(self, registration: Registration) -> dict[str, object]:
        return {"name": registration.toolkit.name, **registration.describe()}


def _is_of(registration: Registration, wanted: tuple[str | None, str | None]) -> bool:
    """Whether a toolkit is hosted by the participant with an id or a name."""
    host, (identity, name) = registration.host, wanted
    if identity is not None:
        return host.id == identity
    return name is not None and host.participant.name == name


def _may_use(caller: Caller, toolkit: str) -> bool:
    agents = caller.participant.scope.agents if caller.participant.scope else None
    return agents is not None and agents.can_use_toolkit(toolkit)
