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
from syncroom.store.base import (
    FOR_EVER,
    DocumentInfo,
    Refusal,
    StoredDocument,
    folders_of,
    new_room,
)
from syncroom.store.traces import decode_traces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncroom.store.base import Finding, Generation, Item, Record, RoomInfo, Trace

log = logging.getLogger("syncroom.store")


@dataclass(slots=True)
class _Kept:
    incarnation: str
    created_ms: int
    changed_ms: int
    records: list[Record] = field(default_factory=list)
    base: bytes = b""
    base_seq: int = 0
    traces: list[Trace] = field(default_factory=list)
    schema: str = ""

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.changed_ms = record.time_ms

    def stored(self) -> StoredDocument:
        records = tuple(self.records)
        return StoredDocument(self.incarnation, records, self.base, self.base_seq, self.schema)


class MemoryStore:
    """The `Store` of a server without a data folder."""

    def __init__(self) -> None:
        self.failure: str | None = None
        self.on_failure: Callable[[str | None], None] | None = None
        self.on_refusal: Callable[[Refusal], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._documents: dict[tuple[str, str], _Kept] = {}
        self._rooms: dict[str, RoomInfo] = {}
        self._items: dict[tuple[str, str], dict[tuple[str, int], Item]] = {}
        self._ended: set[str] = set()
        """The incarnations of deleted documents."""

    async def open(self) -> None:
        """Remember the event loop that callbacks run on."""
        self._loop = asyncio.get_running_loop()

    async def load(self, room: str, path: str) -> StoredDocument | None:
        """A document with all that was appended to it before."""
        self._running()
        kept = self._documents.get((room, path))
        return None if kept is None else kept.stored()

    async def create(
        self, room: str, path: str, incarnation: str, initial: Record
    ) -> StoredDocument:
        """Create a document with its initial content, or return the one that exists."""
        self._running()
        if (room, path) not in self._documents:
            self._kept(room, path, incarnation, initial).add(initial)
        return self._documents[room, path].stored()

    def append(
        self,
        room: str,
        path: str,
        incarnation: str,
        record: Record,
        durable: Callable[[], None] | None = None,
        schema: str = "",
    ) -> None:
        """Keep a record; ``durable`` runs in a later turn of the loop."""
        loop = self._running()
        reason = "the document was deleted"
        if incarnation not in self._ended:
            kept = self._kept(room, path, incarnation, record)
            if kept.incarnation == incarnation:
                kept.add(record)
                kept.schema = kept.schema or schema
                if durable is not None:
                    loop.call_soon(durable)
                return
            reason = f"the stored incarnation is {kept.incarnation}"
        refusal = Refusal(room, path, incarnation, reason)
        log.error("%s", refusal)
        if self.on_refusal is not None:
            loop.call_soon(self.on_refusal, refusal)

    async def replace(self, room: str, path: str, incarnation: str, generation: Generation) -> bool:
        """Put a base in the place of records; nothing older is kept."""
        self._running()
        kept = self._documents.get((room, path))
        if kept is None or kept.incarnation != incarnation:
            return False
        count = generation.upto_seq - kept.base_seq
        if generation.after_seq != kept.base_seq or not 0 < count <= len(kept.records):
            return False
        kept.traces += decode_traces(generation.traces)
        kept.base, kept.base_seq = generation.base, generation.upto_seq
        del kept.records[:count]
        return True

    async def traces(self, room: str, path: str) -> list[Trace]:
        """The traces of the records that a document's base stands for."""
        self._running()
        kept = self._documents.get((room, path))
        return [] if kept is None else list(kept.traces)

    async def delete(self, room: str, path: str) -> bool:
        """Take a document away; its incarnation has ended."""
        self._running()
        kept = self._documents.pop((room, path), None)
        if kept is None:
            return False
        self._ended.add(kept.incarnation)
        return True

    async def add_room(self, room: RoomInfo) -> bool:
        """Put a room into the catalogue."""
        self._running()
        return self._rooms.setdefault(room.name, room) is room

    async def find_room(self, name: str) -> RoomInfo | None:
        """The room of a name."""
        self._running()
        return self._rooms.get(name)

    async def find_room_id(self, id: str) -> RoomInfo | None:
        """The room of an id."""
        self._running()
        return next((room for room in self._rooms.values() if room.id == id), None)

    async def list_rooms(self, after: str, contains: str, limit: int) -> tuple[list[RoomInfo], int]:
        """Some rooms by name, and how many match in all."""
        self._running()
        names = sorted(name for name in self._rooms if contains.lower() in name.lower())
        return [self._rooms[name] for name in names if name > after][:limit], len(names)

    async def disabled_rooms(self) -> list[str]:
        """The names of the rooms that are disabled."""
        self._running()
        return sorted(room.name for room in self._rooms.values() if not room.is_enabled)

    async def update_room(self, room: RoomInfo) -> bool:
        """Write a room over the one of its name and id."""
        self._running()
        known = self._rooms.get(room.name)
        if known is None or known.id != room.id:
            return False
        self._rooms[room.name] = room
        return True

    async def delete_room(self, name: str) -> bool:
        """Take a room away with its documents."""
        self._running()
        self._items = {
            (room, api): kept
            for (room, api), kept in self._items.items()
            if room != name or api.startswith(FOR_EVER)
        }
        paths = [path for room, path in self._documents if room == name]
        for path in paths:
            await self.delete(name, path)
        return self._rooms.pop(name, None) is not None

    async def rooms(self) -> list[str]:
        """The names of the rooms that have documents."""
        self._running()
        return sorted({room for room, _ in self._documents})

    async def items(self, room: str, api: str) -> list[Item]:
        """What an API keeps in a room."""
        self._running()
        return sorted(self._items.get((room, api), {}).values())

    async def change_items(
        self,
        room: str,
        api: str,
        put: Sequence[Item] = (),
        drop: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Write items, and take others away."""
        self._running()
        kept = self._items.setdefault((room, api), {})
        for key in drop:
            kept.pop(key, None)
        kept.update({(item.name, item.number): item for item in put})

    async def flush(self) -> None:
        """Return when the callbacks of everything appended have run."""
        self._running()
        await asyncio.sleep(0)

    async def documents(self, room: str, near: str = "") -> list[DocumentInfo]:
        """The documents of a room, by path."""
        self._running()
        above = {near, *folders_of(near)}
        return [
            DocumentInfo(
                path=path,
                incarnation=kept.incarnation,
                created_ms=kept.created_ms,
                changed_ms=kept.changed_ms,
                stored_bytes=sum(map(len, kept.stored().updates)),
            )
            for (kept_room, path), kept in sorted(self._documents.items())
            if kept_room == room and (not near or path in above or path.startswith(f"{near}/"))
        ]

    async def check_file(self) -> list[Finding]:
        """Nothing: memory is not checked."""
        return []

    async def check_rows(self, room: str, path: str) -> list[Finding]:
        """Likewise."""
        return []

    async def close(self) -> None:
        """Let the last callbacks run, and refuse what comes later."""
        if self._loop is not None:
            await asyncio.sleep(0)
            self._loop = None

    def _kept(self, room: str, path: str, incarnation: str, first: Record) -> _Kept:
        now = first.time_ms
        if room not in self._rooms:
            self._rooms[room] = new_room(room, now)
        return self._documents.setdefault((room, path), _Kept(incarnation, now, now))

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise Unavailable("the store is not open")
        return self._loop
