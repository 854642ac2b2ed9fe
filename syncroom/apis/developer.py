"""
The log of a room: what participants, the server and services have to say to those who look after
it.  State: `.room/logs`.  Grant: `developer`, with `logs`.

The last entries are kept in memory as long as the room is in use. What is logged as info, warning
or error goes to those who follow with a companion of the type ``otel.log``, the only one that the
MeshAgent command line prints as text.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, JsonValue

from syncroom.apis.base import Caller, Request, Toolkit, stream, tool
from syncroom.apis.log_ring import Entry, LogRing
from syncroom.protocol.meshagent import Content, binary_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.apis.calls import Stream
    from syncroom.apis.live_map import LiveList
    from syncroom.auth.participant import Participant
    from syncroom.limits import Limits

_SEVERITIES = ("info", "warning", "error")


class Log(Request):
    """An entry of any type."""

    type: str = Field(min_length=1, max_length=256)
    data: dict[str, JsonValue]


class Say(Request):
    """A line of text, and what it is about."""

    message: str
    extra: dict[str, JsonValue] | None = None


def _may_log(participant: Participant, request: Request) -> bool:
    developer = participant.scope.developer if participant.scope is not None else None
    return developer is not None and developer.logs


class Developer(Toolkit):
    """The log of one room."""

    name: ClassVar = "developer"
    grant: ClassVar = "developer"
    map: LiveList

    def __init__(self, limits: Limits) -> None:
        self._ring = LogRing(limits)
        self.map = self._ring.map

    def note(self, kind: str, data: Mapping[str, Any], name: str = "") -> None:
        """Put an entry at the end; raises `LimitExceeded`.

        Args:
            kind: its type.
            data: what it says; a JSON object.
            name: whose it is; empty for the server's own.
        """
        self._ring.append(Entry(time.time_ns() // 1_000_000, kind, data, name))

    @tool(Log, _may_log)
    def log(self, caller: Caller, request: Log) -> None:
        """Put an entry of any type at the end."""
        self.note(request.type, request.data, caller.participant.name)

    @tool(Say, _may_log)
    def info(self, caller: Caller, request: Say) -> None:
        """Say something worth knowing."""
        self._say("info", caller, request)

    @tool(Say, _may_log)
    def warning(self, caller: Caller, request: Say) -> None:
        """Say that something may go wrong."""
        self._say("warning", caller, request)

    @tool(Say, _may_log)
    def error(self, caller: Caller, request: Say) -> None:
        """Say that something went wrong."""
        self._say("error", caller, request)

    @stream(Request, _may_log, begins_at_once=True)
    async def logs(self, caller: Caller, request: Request, stream: Stream) -> None:
        """Send what is logged from now on, until the caller ends its side."""
        following = asyncio.ensure_future(self._follow(stream, self._ring.next_number))
        try:
            async for _ in stream:
                pass
        finally:
            following.cancel()

    def _say(self, kind: str, caller: Caller, request: Say) -> None:
        data = {**(request.extra or {}), "message": request.message}
        self.note(kind, data, caller.participant.name)

    async def _follow(self, stream: Stream, number: int) -> None:
        while True:
            await self._ring.arrival(number)
            await stream.call.caller.drained()
            lost = max(0, self._ring.first_number - number)
            entry = _gap(lost) if lost else self._ring.read(number)
            number += lost or 1
            for content in _contents(entry):
                stream.call.emit(content)


def _gap(lost: int) -> Entry:
    message = f"{lost} entries were logged faster than they were read, and are left out"
    return Entry(time.time_ns() // 1_000_000, "warning", {"message": message, "lost": lost})


def _contents(entry: Entry) -> list[Content]:
    """What goes to those who follow."""
    contents = [binary_content({"type": entry.kind}, entry.encoded)]
    if entry.kind in _SEVERITIES:
        companion = json.dumps(_otel(entry)).encode()
        contents.append(binary_content({"type": "otel.log"}, companion))
    return contents


def _otel(entry: Entry) -> dict[str, Any]:
    """An entry as the JSON of OpenTelemetry's protocol."""
    said = {key: value for key, value in entry.data.items() if key != "message"}
    if entry.name:
        said["participant"] = entry.name
    attributes = [{"key": key, "value": {"stringValue": _text(said[key])}} for key in said]
    record = {
        "timeUnixNano": str(entry.time_ms * 1_000_000),
        "severityText": entry.kind.upper(),
        "body": {"stringValue": _text(entry.data.get("message", ""))},
        "attributes": attributes,
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "syncroom"}}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
