"""One open document, its disk and its clock, and the updates that tests of it send."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from syncroom.document.document import Document, Outcome
from syncroom.document.turns import Turns
from syncroom.limits import Limits
from syncroom.metrics import Metrics
from syncroom.protocol import state_vector
from tests.document.fakes import WIRE, Disk, FakePeer
from tests.protocol import craft
from tests.protocol.honest import Replica
from tests.support import wire

NOW_MS = 1_760_000_000_000


class Scene:
    """A document with a disk that obeys and a clock that ticks when it is read."""

    def __init__(self, *, is_kept: bool = True, **limits: float) -> None:
        self.disk = Disk()
        ticks = count(NOW_MS)
        self.document = Document(
            "notes",
            "0" * 32,
            keep=self.disk.keep if is_kept else None,
            limits=Limits(**limits),
            metrics=Metrics(),
            turns=Turns(asyncio.get_running_loop()),
            now_ms=lambda: next(ticks),
        )

    def peer(self, name: str = "ann", client: int | None = None, **made: Any) -> FakePeer:
        peer = FakePeer(name, **made)
        self.document.join(peer)
        if client is not None:
            self.document.present(peer, wire.states(wire.State(client, 0, {})))
        return peer

    def take(self, peer: FakePeer, data: bytes, *, live: bool = True) -> Outcome:
        return self.document.accept(peer, data, live=live)

    def text(self) -> str:
        reader = Replica(98)
        for message in wire.messages(self.document.answer(WIRE, b"\0")):
            reader.learn(message.payload)
        return reader.text()

    def clocks(self) -> dict[int, int]:
        return state_vector.decode(self.document.vector())


def first(client: int, text: str = "x") -> bytes:
    return craft.update(craft.section(client, 0, craft.string(text)))


def following(client: int, clock: int, text: str = "x") -> bytes:
    """A keystroke behind the last unit of its own client."""
    struct = craft.behind(4, wire.string(text), (client, clock - 1))
    return craft.update(craft.section(client, clock, struct))
