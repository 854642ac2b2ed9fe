"""
Messages between participants, and who is there to get them.  Grant: `messaging`.

Presence here covers those that asked for it (`enable`): they hear who comes, goes and changes its
attributes. A message reaches any participant that speaks this protocol, asked for or not.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, ValidationError

from syncroom.apis.base import Caller, Request, Toolkit, always, stream, tool
from syncroom.apis.calls import Call, HostedCall, Stream
from syncroom.errors import Malformed, NotFound
from syncroom.protocol.meshagent import CLOSE, OPEN, Content, json_content
from syncroom.protocol.value import check_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncroom.auth.participant import Participant
    from syncroom.limits import Limits

EVENT = "messaging.send"
"""The type of what participants are sent, messages and news of each other alike."""

_NEWS = frozenset(
    ("messaging.enabled", "participant.enabled", "participant.disabled", "participant.attributes")
)
"""What clients believe without asking who said it: only the room says so."""


class Nothing(Request):
    """There is nothing to say."""


class Broadcast(Request):
    """A message to all who asked for messages."""

    type: str = Field(max_length=512)
    message_json: str = "{}"
    attachment_base64: str | None = None


class Send(Broadcast):
    """A message to one participant."""

    to_participant_id: str = Field(max_length=512)


def _may_send(participant: Participant, request: Request) -> bool:
    scope = participant.scope
    return scope is not None and scope.messaging is not None and scope.messaging.send


def _may_broadcast(participant: Participant, request: Request) -> bool:
    scope = participant.scope
    return scope is not None and scope.messaging is not None and scope.messaging.broadcast


class Messaging(Toolkit):
    """The messages of one room.

    Args:
        members: the participants that can be written to, by id.
        is_elsewhere: whether an id is of a participant that is here and can't be written to.
        limits: the bounds of the server.
    """

    name: ClassVar = "messaging"
    grant: ClassVar = "messaging"

    def __init__(
        self, members: Mapping[str, Caller], is_elsewhere: Callable[[str], bool], limits: Limits
    ) -> None:
        self._members = members
        self._is_elsewhere = is_elsewhere
        self._depth_max = limits.value_depth_max
        self._enabled: dict[str, Caller] = {}

    @tool(Nothing, always)
    def enable(self, caller: Caller, request: Nothing) -> None:
        """Let a caller hear of the others that asked for it, and them of it."""
        others = [_entry(each) for each in self._enabled.values() if each is not caller]
        is_new = caller.id not in self._enabled
        self._enabled[caller.id] = caller
        seen = others if caller.participant.may_list_participants else []
        caller.send(EVENT, _event(caller.id, "messaging.enabled", {"participants": seen}))
        if is_new:
            self._tell_others(caller, "participant.enabled", _entry(caller))

    @tool(Nothing, always)
    def disable(self, caller: Caller, request: Nothing) -> None:
        """Take a caller off the list."""
        self.leave(caller)

    @tool(Send, _may_send)
    def send(self, caller: Caller, request: Send) -> None:
        """Deliver a message to one participant."""
        message, attachment = self._read(request)
        target = self._target(request.to_participant_id)
        target.send(EVENT, _event(caller.id, request.type, message), attachment)

    @tool(Broadcast, _may_broadcast)
    def broadcast(self, caller: Caller, request: Broadcast) -> None:
        """Deliver a message to all others that asked for messages."""
        message, attachment = self._read(request)
        event = _event(caller.id, request.type, message)
        for each in list(self._enabled.values()):
            if each is not caller:
                each.send(EVENT, event, attachment)

    @stream(Send, _may_send, opens_late=True)
    async def stream(self, caller: Caller, request: Send, stream: Stream) -> None:
        """Let two participants talk, until one of them has done."""
        self._read(request)
        talk = _Talk(stream.call, self._target(request.to_participant_id), request)
        try:
            await talk.settled.wait()  # the other one would take what comes before for a fault
            async for content in stream:
                words = Broadcast.model_validate(content.header.get("json"))
                self._read(words)
                talk.forward(json_content(_words(words)))
            if stream.call.is_open:
                talk.forward(CLOSE)
            await stream.over()
        except ValidationError:
            raise Malformed("a content of the stream is no message") from None
        finally:
            talk.abandon()

    def change(self, caller: Caller, attributes: Mapping[str, Any]) -> None:
        """Tell the others what a participant newly says of itself."""
        if caller.id in self._enabled:
            self._tell_others(caller, "participant.attributes", {"attributes": attributes})

    def leave(self, caller: Caller) -> None:
        if self._enabled.pop(caller.id, None) is not None:
            self._tell_others(caller, "participant.disabled", {"id": caller.id})

    def _tell_others(self, caller: Caller, kind: str, message: Mapping[str, Any]) -> None:
        event = _event(caller.id, kind, message)
        for each in list(self._enabled.values()):
            if each is not caller and each.participant.may_list_participants:
                each.send(EVENT, event)

    def _target(self, identity: str) -> Caller:
        target = self._members.get(identity)
        if target is not None:
            return target
        if self._is_elsewhere(identity):
            raise NotFound("the participant only edits documents, and gets no messages")
        raise NotFound("the participant was not found")

    def _read(self, request: Broadcast) -> tuple[dict[str, Any], bytes]:
        """The message and its attachment; raises `Malformed`."""
        if request.type in _NEWS:
            raise Malformed(f"messages of type {request.type!r} come from the room alone")
        message = check_json(request.message_json, self._depth_max)
        if not isinstance(message, dict):
            raise Malformed("message_json is no JSON object")
        try:
            return message, base64.b64decode(request.attachment_base64 or "", validate=True)
        except (binascii.Error, ValueError):
            raise Malformed("attachment_base64 is no base64") from None


class _Talk(HostedCall):
    """A stream of messages between two participants; the other one has to accept it first."""

    def __init__(self, call: Call, other: Caller, request: Send) -> None:
        super().__init__(call, other, Messaging.name, "stream", OPEN)
        self._other = other
        self.settled = asyncio.Event()
        """Set once the other one accepted, or will not."""
        self.forward(json_content({"from_participant_id": call.caller.id, **_words(request)}))

    def answer(self, content: Content) -> None:
        is_first = not self.call.is_open
        super().answer(content)
        if is_first and content.is_open:
            self.call.emit(json_content({"kind": "accepted", "stream_id": self.id}))
        self.settled.set()

    def release(self) -> None:
        super().release()
        self.settled.set()

    def lose_host(self, why: str = "the participant left the room") -> None:
        if not self.call.is_open:
            super().lose_host(why)
            return
        self.release()
        gone = {"kind": "client_disconnected", "participant_id": self._other.id}
        self.call.emit(json_content(gone))
        self.call.emit(CLOSE)


def _event(sender: str, kind: str, message: Mapping[str, Any]) -> dict[str, Any]:
    return {"from_participant_id": sender, "type": kind, "message": message}


def _entry(caller: Caller) -> dict[str, Any]:
    role = caller.participant.role
    return {"id": caller.id, "role": role, "attributes": caller.attributes}


def _words(request: Broadcast) -> dict[str, Any]:
    return request.model_dump(include={"type", "message_json", "attachment_base64"})
