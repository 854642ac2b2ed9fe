"""
Documents kept in memory, for tests and for what nobody needs once the server has stopped.

The promises of the disk without the disk: callbacks run in order in a later turn of the event loop,
a record for another history is refused, initial content is written once. Writing never fails.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncroom.errors import Unavailable
from syncroom.store.base import DocumentInfo, Record, StoredDocument

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("syncroom.store")


@dataclass(slots=True)
class _Kept:
    incarnation: str
    records: list[Record] = field(default_factory=list)


class MemoryStore:
    """The `Store` of a server without a data folder."""

    def __init__(self) -> None:
        self.failure: str | None = None
        self.on_failure: Callable[[str | None], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._documents: dict[tuple[str, str], _Kept] = {}
        self._refusal: str | None = None

    async def open(self) -> None:
        """Remember the event loop that callbacks run on."""
        self._loop = asyncio.get_running_loop()

    async def load(self, room: str, path: str) -> StoredDocument | None:
        """A document with all that was appended to it before."""
        self._running()
        kept = self._documents.get((room, path))
        return None if kept is None else StoredDocument(kept.incarnation, tuple(kept.records))

    async def create(
        self, room: str, path: str, incarnation: str, initial: Record
    ) -> StoredDocument:
        """Create a document with its initial content, or return the one that exists."""
        self._running()
        kept = self._documents.setdefault((room, path), _Kept(incarnation, [initial]))
        return StoredDocument(kept.incarnation, tuple(kept.records))

    def append(
        self,
        room: str,
        path: str,
        incarnation: str,
        record: Record,
        durable: Callable[[], None] | None = None,
    ) -> None:
        """Keep a record; ``durable`` runs in a later turn of the loop."""
        loop = self._running()
        kept = self._documents.setdefault((room, path), _Kept(incarnation))
        if kept.incarnation != incarnation:
            self._refusal = (
                f"record refused for {path!r} in room {room!r}, incarnation {incarnation}: "
                f"the stored incarnation is {kept.incarnation}"
            )
            log.error("%s", self._refusal)
            return
        kept.records.append(record)
        if durable is not None:
            loop.call_soon(durable)

    async def flush(self) -> None:
        """Return when the callbacks of everything appended have run."""
        self._running()
        await asyncio.sleep(0)
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise Unavailable(refusal)

    async def documents(self, room: str) -> list[DocumentInfo]:
        """The documents of a room, by path."""
        self._running()
        return [
            DocumentInfo(
                path=path,
                incarnation=kept.incarnation,
                created_ms=kept.records[0].time_ms,
                changed_ms=kept.records[-1].time_ms,
                stored_bytes=sum(sum(map(len, record.updates)) for record in kept.records),
            )
            for (kept_room, path), kept in sorted(self._documents.items())
            if kept_room == room
        ]

    async def close(self) -> None:
        """Let the last callbacks run, and refuse what comes later."""
        if self._loop is not None:
            await asyncio.sleep(0)
            self._loop = None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise Unavailable("the store is not open")
        return self._loop
