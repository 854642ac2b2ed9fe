"""
Sessions that speak the MeshAgent room protocol: the published SDKs and their command line.

One socket is one participant, which calls tools, hosts some, and has any number of documents open.
Requests are answered as they get done, in any order; nothing that one waits for keeps the next
from being read.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from syncroom.apis.base import NUMBERS, OPERATION_FAILED
from syncroom.apis.calls import Call, start
from syncroom.errors import (
    Denied,
    Disabled,
    LimitExceeded,
    Malformed,
    NotFound,
    SyncroomError,
    Unauthenticated,
)
from syncroom.logs import about
from syncroom.metrics import Fault, Part
from syncroom.protocol import meshagent as wire
from syncroom.sessions.connection import close_by_fault, close_code, expire_later

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.apis.base import LagsBehind
    from syncroom.apis.calls import HostedCall
    from syncroom.auth.participant import Participant
    from syncroom.protocol.meshagent import Content, Message
    from syncroom.room import Room
    from syncroom.sessions.connection import Connection

_log = logging.getLogger("syncroom.sessions.meshagent")

CLOSE_NORMAL = 1000
"""The one code after which no SDK comes back."""

_CALL_ID_MAX = 512
_SHOWN_MAX = 80

_INBOX_SHARE = 8
"""Who waits for answers has no more than this part of the bound unread in one stream."""

_TURN_S = 0.02
"""When the messages of one client have taken so long, others come in between."""

_BODY_GROWTH = 2
"""A body of several frames may be so much larger than one: updates come in base64."""

_FAULTS: dict[type[SyncroomError], Fault] = {
    Malformed: Fault.MALFORMED,
    LimitExceeded: Fault.LIMIT,
}

_AGENT_REQUESTS = {
    wire.REGISTER_TOOLKIT: "register_toolkit",
    wire.UNREGISTER_TOOLKIT: "unregister_toolkit",
    wire.LIST_TOOLKITS: "list_toolkits",
    wire.CALL_AGENT: "call",
}
"""Messages that ask for something, and the tools that answer them."""


class MeshAgentSession:
    """One participant on one socket. It is a `Session` and a `Caller`.

    Args:
        connection: its socket, whose handshake is done.
        room: the room that it joins.
        participant: who it is.
        room_url: where it finds the room.
        is_early: whether its SDK is older than 0.42.
    """

    protocol: ClassVar[str] = "meshagent"

    def __init__(
        self,
        connection: Connection,
        room: Room,
        participant: Participant,
        room_url: str,
        *,
        is_early: bool = False,
    ) -> None:
        self.id = str(uuid.uuid4())
        self.participant = participant
        self.room_url = room_url
        self.is_early = is_early
        self.attributes: dict[str, Any] = {"name": participant.name}
        self.hosted: dict[int, HostedCall] = {}
        self.readers: set[LagsBehind] = set()
        self.room_name = room.name
        self._connection = connection
        self._room = room
        self._metrics = room.metrics
        self._limits = room.limits
        self._loop = asyncio.get_running_loop()
        self._assembler = wire.Assembler(_BODY_GROWTH * room.limits.message_bytes_max)
        self._calls: dict[object, Call] = {}
        """By the id that the client gave, or else by one of ours."""
        self._waiting_bytes = 0
        """What it sent to streams and nobody has read yet."""
        self._unanswered: dict[Call, list[int]] = {}
        """The numbers of contents of streams that it sent."""
        self._turn_s = 0.0
        """What its messages have taken since others came in between."""
        self._is_resting = False
        self._number = 0
        self._unsent: list[bytes] = []
        self._unread_bytes = 0
        """What was sent since it began to read too slowly."""
        self._is_drained = asyncio.Event()
        self._is_drained.set()
        self._joined = time.monotonic()
        room.enter(self)
        connection.session = self
        self._expiry = expire_later(self, participant.expires_at)
        names = {"room_name": room.name, "room_url": room_url, "session_id": room.session_id}
        self.send(wire.READY, names)
        me = {"type": "init", "participantId": self.id, "attributes": self.attributes}
        self.send(wire.CONNECTED, me)
        if room.status["status"] != "ready":
            self.send(wire.STATUS, room.status)
        _log.info("joined", extra=about(**self._who()))

    @property
    def is_lagging(self) -> bool:
        """Whether the client reads slower than it is sent to."""
        return not self._is_drained.is_set()

    def receive(self, message: bytes) -> None:
        """Take one packet."""
        began = time.perf_counter()
        try:
            whole = self._assembler.take(message)
            if whole is not None:
                self._take(whole)
        except SyncroomError as error:
            self.fail(error)
        except Exception as error:
            close_by_fault(self._connection, error, self._who())
        self.spend(time.perf_counter() - began)

    def send(self, kind: str, header: Mapping[str, Any], payload: bytes = b"") -> int:
        """Send a message; return its number."""
        self._number += 1
        self._send(self._number, kind, header, payload)
        return self._number

    def write(self, frames: bytes) -> None:
        """Send what is encoded already, at the end of this turn of the event loop."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(frames)

    def next_number(self) -> int:
        """The number for a message that is encoded elsewhere."""
        self._number += 1
        return self._number

    async def drained(self) -> None:
        """Wait while the client reads slower than it is sent to."""
        await self._is_drained.wait()

    def hold_back(self, change: int) -> bool:
        """Count bytes that it sent to streams and nobody has read, or has by now."""
        self._waiting_bytes += change
        if change < 0:
            self._acknowledge()
        return self._waiting_bytes <= self._limits.member_inbox_bytes_max

    def _acknowledge(self) -> None:
        """Answer contents of streams, but not far ahead of who reads that stream: many clients send
        the next one only then."""
        for call in list(self._unanswered):
            if call.is_over or call.unread * _INBOX_SHARE <= self._limits.member_inbox_bytes_max:
                for number in self._unanswered.pop(call):
                    self._respond(number, wire.EMPTY)

    def _forget(self, key: object) -> None:
        """Let go of a call that is over."""
        self._calls.pop(key, None)
        self._acknowledge()

    def spend(self, seconds: float) -> None:
        """Count what its messages take; where that is much, the next ones are taken later."""
        allowances, now = self._room.allowances, time.perf_counter()
        allowances.spend(self.participant.id, seconds, now)
        self._turn_s += seconds
        rest_s = allowances.rest_s(self.participant.id, now)
        is_due = rest_s > 0 or self._turn_s > _TURN_S
        if self._is_resting or not is_due or self._connection.session is not self:
            return
        if rest_s > 0:
            self._metrics.rests += 1
            _log.debug("took its processor time", extra=about(**self._who()))
        self._is_resting = True
        self._connection.hold()
        self._loop.call_later(max(0.0, rest_s), self._go_on)

    def fail(self, error: SyncroomError) -> None:
        """End the connection, so that SDKs come back only where that may help."""
        is_final = isinstance(error, (Unauthenticated, Denied, Disabled, NotFound))
        code = CLOSE_NORMAL if is_final else close_code(error)
        if type(error) in _FAULTS:
            self._metrics.refused[Part.FRAME, _FAULTS[type(error)]] += 1
        _log.info("refused a client: %s", error, extra=about(code=code, **self._who()))
        self._flush()
        self._connection.close(code, str(error))

    def keep_alive(self) -> None:
        """Pings of the socket are enough for these clients."""

    def pause(self) -> None:
        """Let streams wait; what can't wait goes on, up to a bound."""
        self._is_drained.clear()
        self._unread_bytes = 0
        for reader in self.readers:
            reader.pause()
        self._metrics.lags += 1

    def resume(self) -> None:
        """The client has read most of what it was sent."""
        self._is_drained.set()
        for reader in self.readers:
            reader.resume()

    def restart(self) -> None:
        """Cut the connection: a close frame, whatever its code, is the end for the Python SDK."""
        self._flush()
        self._connection.abort()

    def end(self) -> None:
        """Leave the room: what the participant asked for ends, what it was asked for fails."""
        if self._connection.session is not self:
            return
        self._connection.session = None
        self._is_drained.set()
        if self._expiry is not None:
            self._expiry.cancel()
        for call in list(self._calls.values()):
            call.abandon()
        self._calls.clear()
        for hosted in list(self.hosted.values()):
            hosted.lose_host()
        self._room.exit(self)
        seconds = round(time.monotonic() - self._joined, 3)
        spent = about(**self._who(), seconds=seconds, bytes=self._connection.bytes_in)
        _log.info("left", extra=spent)

    def _go_on(self) -> None:
        """Take what was put off."""
        self._turn_s, self._is_resting = 0.0, False
        if self._connection.session is self:
            self._connection.release()

    def _send(self, number: int, kind: str, header: Mapping[str, Any], payload: bytes) -> None:
        if self._connection.session is self:
            self.write(wire.encode(number, kind, wire.pack(header, payload)))

    def _flush(self) -> None:
        frames = b"".join(self._unsent)
        self._unsent.clear()
        if not frames or not self._connection.is_open:
            return
        self._metrics.bytes_out += len(frames)
        self._connection.write(frames)
        if self.is_lagging:
            self._unread_bytes += len(frames)
            if self._unread_bytes > self._limits.member_outbox_bytes_max:
                self._connection.abort()

    def _respond(self, number: int, content: Content) -> None:
        self._send(number, wire.RESPONSE, content.header, content.payload)

    def _take(self, message: Message) -> None:
        number, kind, body = message
        try:
            header, payload = wire.unpack(body, self._limits.value_depth_max)
        except Malformed as error:
            self._refuse_body(number, kind, error)
            return
        if kind == wire.INVOKE:
            self._invoke(number, header, payload)
        elif kind == wire.REQUEST_CHUNK:
            call = self._calls.get(_text(header, "tool_call_id"))
            if call is None:
                self._respond(number, wire.EMPTY)
            else:
                self._unanswered.setdefault(call, []).append(number)
                call.take(wire.read_content(header.get("chunk"), payload))
                self._acknowledge()
        elif kind == wire.HOST_RESPONSE:
            if number in self.hosted:
                self.hosted[number].answer(wire.read_content(header, payload))
        elif kind == wire.RESPONSE_CHUNK:
            if number in self.hosted:
                self.hosted[number].emit(wire.read_content(header.get("chunk"), payload))
        elif kind == wire.SET_ATTRIBUTES:
            self._room.describe(self, header)
        elif kind in _AGENT_REQUESTS:
            agents = self._room.apis.agents
            tool = agents.tools[_AGENT_REQUESTS[kind]]
            call = self._call(number, None)
            if call is not None:
                start(agents, tool, call, wire.json_content(header))
        else:
            text = f"a message has the unknown type {kind[:_SHOWN_MAX]!r}"
            self._respond(number, wire.error_content(text, NUMBERS[Malformed]))

    def _refuse_body(self, number: int, kind: str, error: Malformed) -> None:
        """Fail the one request whose body can't be read, or raise where there is none to fail:
        Python writes NaN into its JSON, and an agent should survive one."""
        if kind in (wire.HOST_RESPONSE, wire.RESPONSE_CHUNK):
            if number in self.hosted:
                self.hosted[number].lose_host(f"the host said what can't be read: {error}")
        elif kind == wire.INVOKE or kind in _AGENT_REQUESTS:
            self._respond(number, wire.error_content(str(error), NUMBERS[Malformed]))
        else:
            raise error
        self._metrics.refused[Part.FRAME, Fault.MALFORMED] += 1

    def _invoke(self, number: int, header: dict[str, Any], payload: bytes) -> None:
        call_id = _text(header, "tool_call_id")
        if call_id is not None and (len(call_id) > _CALL_ID_MAX or call_id in self._calls):
            text = "a tool_call_id is too long, or is of a call that is not over"
            self._respond(number, wire.error_content(text, NUMBERS[Malformed]))
            return
        call = self._call(number, call_id)
        if call is None:
            return
        try:
            self._route(call, header, payload)
        except SyncroomError as error:
            call.fail(str(error), NUMBERS.get(type(error), OPERATION_FAILED))

    def _route(self, call: Call, header: dict[str, Any], payload: bytes) -> None:
        """Pass a call to a toolkit of the room's, or to whoever hosts it."""
        name, tool_name = _text(header, "toolkit") or "", _text(header, "tool") or ""
        arguments = wire.read_content(header.get("arguments", {}), payload)
        host_id = _text(header, "participant_id")
        toolkit = self._room.apis.toolkits.get(name) if host_id is None else None
        if toolkit is None:
            self._room.apis.agents.invoke(
                call,
                name,
                tool_name,
                arguments,
                participant_id=host_id,
                on_behalf_of_id=_text(header, "on_behalf_of_id"),
            )
        elif tool_name in toolkit.tools:
            start(toolkit, toolkit.tools[tool_name], call, arguments)
        else:
            shown = tool_name[:_SHOWN_MAX]
            raise NotFound(f"the toolkit {name!r} has no tool {shown!r}")

    def _call(self, number: int, call_id: str | None) -> Call | None:
        """A call that is known here until it is over; None where there are too many."""
        allowed = self._limits.member_calls_max
        if len(self._calls) >= allowed:
            text = f"you have {allowed} calls that are not over, as many as you may have"
            self._respond(number, wire.error_content(text, NUMBERS[LimitExceeded]))
            return None
        key: object = object() if call_id is None else call_id
        on_end = partial(self._forget, key)
        call = Call(self, call_id or str(number), partial(self._respond, number), on_end)
        self._calls[key] = call
        return call

    def _who(self) -> dict[str, str]:
        """The client, for the log."""
        return {
            "room": self._room.name,
            "address": self._connection.address,
            "participant": self.participant.id,
            "name": self.participant.name,
        }


def _text(header: Mapping[str, Any], name: str) -> str | None:
    """A text of a header; None where there is none."""
    value = header.get(name)
    return value if isinstance(value, str) else None
