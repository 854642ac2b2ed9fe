"""Peers without a socket, a wire that shows what it was given, and a disk that obeys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from syncroom.auth.participant import Participant
from tests.support import wire as bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncroom.document.document import Document
    from syncroom.document.peer import Wire
    from syncroom.errors import SyncroomError
    from syncroom.store.base import Record


class PlainWire:
    """Messages of y-protocols without frames around them."""

    def updates(self, updates: Sequence[bytes]) -> bytes:
        return b"".join(map(bytes_of.update, updates))

    def history(self, updates: Sequence[bytes]) -> bytes:
        return b"".join(map(bytes_of.step2, updates))

    def answer(self, update: bytes) -> bytes:
        return bytes_of.step2(update)

    def presence(self, entries: bytes) -> bytes:
        return bytes_of.awareness_payload(entries)


WIRE = PlainWire()
WAIT_S_MAX = 60.0


class FakePeer:
    """A peer that keeps what it was sent, one entry for each delivery."""

    def __init__(self, name: str = "ann", wire: Wire = WIRE) -> None:
        self.participant = Participant(f"id-of-{name}", name, "user", None, None)
        self.wire = wire
        self.client_id: int | None = None
        self.client_bytes = b""
        self.deliveries: list[list[bytes_of.Message]] = []
        self.resyncs = 0
        self.failures: list[SyncroomError] = []
        self.written = 0

    def deliver(self, data: bytes) -> None:
        self.deliveries.append(bytes_of.messages(data))

    def confirm(self, data: bytes) -> None:
        self.deliver(data)

    def resync(self) -> None:
        self.resyncs += 1

    def fail(self, error: SyncroomError) -> None:
        self.failures.append(error)

    def heard(self, kind: str) -> list[bytes_of.Message]:
        return [message for each in self.deliveries for message in each if message.kind == kind]

    def updates(self) -> list[bytes]:
        return [message.payload for message in self.heard("update")]

    def history(self) -> list[bytes]:
        return [message.payload for message in self.heard("step2")]

    def states(self) -> list[bytes_of.State]:
        return [state for message in self.heard("awareness") for state in message.states]


class Disk:
    """Keeps records, and says when they are durable only when it is told to."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.schemas: list[str] = []
        """What came with each record."""
        self._waiting: list[Callable[[], None]] = []

    def keep(self, record: Record, durable: Callable[[], None], schema: str = "") -> None:
        self.records.append(record)
        self.schemas.append(schema)
        self._waiting.append(durable)

    def sync(self) -> None:
        waiting, self._waiting = self._waiting, []
        for durable in waiting:
            durable()


class OpenDocuments(dict[str, "Document"]):
    """The open documents of a room, for whoever waits until one is unloaded."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()

    def __delitem__(self, path: str) -> None:
        super().__delitem__(path)
        self._changed.set()

    async def without(self, path: str) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            while path in self:
                self._changed.clear()
                await self._changed.wait()


async def turn() -> None:
    """Let the event loop come to the end of a turn."""
    for _ in range(3):
        await asyncio.sleep(0)
