"""Callers whose messages are kept, and calls made by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pycrdt

from syncroom.apis.calls import Call, start
from syncroom.auth.participant import Participant
from syncroom.auth.scopes import ApiScope
from syncroom.document.maps import MapDocument
from syncroom.document.turns import Turns
from syncroom.limits import Limits
from syncroom.metrics import Metrics
from syncroom.protocol.meshagent import Content, json_content
from tests.document.fakes import WIRE
from tests.support import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.apis.base import LagsBehind, Toolkit
    from syncroom.apis.calls import HostedCall


class Sent(NamedTuple):
    """One message to a caller."""

    kind: str
    header: Mapping[str, Any]
    payload: bytes


class FakeCaller:
    """A participant on a connection that only keeps what it is sent."""

    def __init__(self, name: str, scope: ApiScope | None = None, role: str = "user") -> None:
        granted = ApiScope.full() if scope is None else scope
        self.id = f"id-of-{name}"
        self.participant = Participant(f"participant-{name}", name, role, granted, None)
        self.room_url = "ws://localhost/rooms/demo"
        self.is_early = False
        self.attributes: dict[str, Any] = {"name": name}
        self.hosted: dict[int, HostedCall] = {}
        self.readers: set[LagsBehind] = set()
        self.sent: list[Sent] = []
        self.coming: asyncio.Queue[Sent] = asyncio.Queue()
        """The same, to be waited for."""
        self.waiting_bytes = 0
        self.waiting_bytes_max = 32 << 20

    def send(self, kind: str, header: Mapping[str, Any], payload: bytes = b"") -> int:
        self.sent.append(Sent(kind, header, payload))
        self.coming.put_nowait(self.sent[-1])
        return len(self.sent)

    def write(self, frames: bytes) -> None:
        raise AssertionError("nothing is encoded here")

    def next_number(self) -> int:
        return len(self.sent) + 1

    async def drained(self) -> None:
        """It always is."""

    def hold_back(self, change: int) -> bool:
        self.waiting_bytes += change
        return self.waiting_bytes <= self.waiting_bytes_max

    def spend(self, seconds: float) -> None:
        """It may take what it likes."""

    def events(self) -> list[tuple[str, Any]]:
        """The types and messages of the events that came, which are taken off the list."""
        came = [(each.header["type"], each.header["message"]) for each in self.sent]
        self.sent.clear()
        return came


@dataclass
class Asked:
    """A call, and what was answered."""

    call: Call
    answers: list[Content] = field(default_factory=list)
    ends: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more will be answered."""

    @property
    def answer(self) -> Mapping[str, Any]:
        """The header of the one answer."""
        [content] = self.answers
        return content.header


def ask(
    toolkit: Toolkit,
    name: str,
    caller: FakeCaller,
    arguments: Content | Mapping[str, Any] | None = None,
) -> Asked:
    """Call a tool as a session does."""
    asked = call_of(caller)
    content = arguments if isinstance(arguments, Content) else json_content(arguments or {})
    start(toolkit, toolkit.tools[name], asked.call, content)
    return asked


def call_of(caller: FakeCaller, call_id: str = "call-1") -> Asked:
    """A call that nobody answers yet."""

    def answer(content: Content) -> None:
        asked.answers.append(content)

    def end() -> None:
        asked.ends += 1
        asked.over.set()

    asked = Asked(Call(caller, call_id, answer, end))
    return asked


def reserved(path: str) -> MapDocument:
    """A document for a live map."""
    return MapDocument(
        path,
        "0" * 32,
        keep=None,
        limits=Limits(),
        metrics=Metrics(),
        turns=Turns(asyncio.get_running_loop()),
        now_ms=lambda: 1,
    )


def shown(document: MapDocument, root: str) -> dict[str, Any]:
    """What somebody reads who opens such a document."""
    (message,) = wire.messages(document.answer(WIRE, b"\0"))
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    doc.apply_update(message.payload)
    seen: dict[str, Any] = doc.get(root, type=pycrdt.Map).to_py() or {}
    return seen
