"""
Lives of a data folder: a store is used as a server uses it, and all that is promised is noted.

What happens to the disk and what the store says of it stand in one row of events, so at each of
them it is known what has to be there if the power were cut.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from syncroom.errors import SyncroomError, Unavailable
from syncroom.store.base import Generation, Item, new_room
from syncroom.store.check import check_file, check_rows
from syncroom.store.sqlite import SqliteStore
from syncroom.store.traces import encode_traces
from tests.store.appender import numbered
from tests.store.compacting import trace_of

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from syncroom.store.base import StoredDocument
    from tests.support.vfs import Event, RecordedDisk

T = TypeVar("T")

ROOM = "demo"
API = "queues"
PATHS = [f"{number}.md" for number in range(4)]
TURNS = 25


@dataclass(slots=True)
class Promise:
    """What whoever uses the store may expect of a document."""

    incarnation: str
    sent: int = 0
    acknowledged: int = 0
    base_sent: int = 0
    base_acknowledged: int = 0
    is_deleting: bool = False
    is_deleted: bool = False

    def broken_by(self, stored: StoredDocument | None) -> Iterator[str]:
        """In which ways what was read back is not what was promised."""
        if stored is None:
            if self.acknowledged and not self.is_deleting:
                yield "lost: the document"
            return
        if self.is_deleted:
            yield "wrong: it was deleted"
        if stored.incarnation != self.incarnation:
            yield f"wrong: incarnation {stored.incarnation}"
        if stored.last_seq < self.acknowledged:
            yield f"lost: record {self.acknowledged} after {stored.last_seq}"
        if stored.base_seq < self.base_acknowledged:
            yield f"lost: base {self.base_acknowledged} after {stored.base_seq}"
        if stored.last_seq > self.sent or stored.base_seq > self.base_sent:
            yield "wrong: more than was ever sent"
        numbers = range(stored.base_seq + 1, stored.last_seq + 1)
        if list(stored.records) != [numbered(number) for number in numbers]:
            yield "wrong: other records than were sent"
        if stored.base != base_of(stored.base_seq):
            yield "wrong: another base than was sent"

    def under_way(self) -> Iterator[str]:
        """What was begun and not acknowledged."""
        if not self.acknowledged:
            yield "creation"
        if self.sent > self.acknowledged:
            yield "commit"
        if self.base_sent > self.base_acknowledged:
            yield "compaction"
        if self.is_deleting and not self.is_deleted:
            yield "deletion"


class Promises(dict[str, Promise]):
    """What may be expected, for each path; and of what an API keeps, and of the rooms.

    An API keeps one item, which takes the place of the one before it. Rooms are made one by one.
    """

    def __init__(self) -> None:
        self.item_sent = 0
        self.item_acknowledged = 0
        self.room_acknowledged = 0

    def follow(self, event: Event) -> None:
        """Take in what a life did, or was told."""
        kind, note = event.kind, event.note
        if kind == "began":
            path, incarnation = note
            self[path] = Promise(incarnation)
        elif kind in Promise.__slots__:
            path, value = note
            setattr(self[path], kind, value)
        elif hasattr(self, kind):
            setattr(self, kind, note)

    def under_way(self) -> set[str]:
        """What was begun and not acknowledged."""
        found = {each for promise in self.values() for each in promise.under_way()}
        return found | ({"item"} if self.item_sent > self.item_acknowledged else set())

    async def broken_by(self, store: SqliteStore) -> list[str]:
        """In which ways what an open store has is not what was promised."""
        found: list[str] = []
        for path, promise in self.items():
            stored = await store.load(ROOM, path)
            found += promise.broken_by(stored)
            await store.traces(ROOM, path)
        numbers = [item.number for item in await store.items(ROOM, API)]
        if len(numbers) > 1 or sum(numbers) > self.item_sent:
            found.append(f"wrong: items {numbers} after {self.item_sent}")
        if sum(numbers) < self.item_acknowledged:
            found.append(f"lost: item {self.item_acknowledged} after {numbers}")
        for number in range(1, self.room_acknowledged + 1):
            if await store.find_room(f"room {number}") is None:
                found.append(f"lost: room {number}")
        return found


def base_of(upto: int) -> bytes:
    """Some of them fill several pages of the file."""
    return f"base {upto} ".encode() * (3000 if upto % 3 else 1) if upto else b""


class Life:
    """Uses an open store, and notes what it is told. What is refused it tries again."""

    def __init__(self, disk: RecordedDisk, store: SqliteStore, rng: random.Random) -> None:
        self.disk = disk
        self.store = store
        self.rng = rng
        self.incarnations: dict[str, str] = {}
        self.seqs: dict[str, int] = {}
        self.item = 0
        self.room = 0

    async def run(self) -> None:
        for path in PATHS:
            stored = await insist(partial(self.store.load, ROOM, path))
            if stored is not None:
                self.incarnations[path] = stored.incarnation
                self.seqs[path] = stored.last_seq
                # It is served from now on: who wrote it takes it for saved.
                self.disk.note("acknowledged", (path, stored.last_seq))
                self.disk.note("base_acknowledged", (path, stored.base_seq))
        kept = await insist(partial(self.store.items, ROOM, API))
        self.item = sum(item.number for item in kept)
        self.disk.note("item_acknowledged", self.item)
        while await insist(partial(self.store.find_room, f"room {self.room + 1}")) is not None:
            self.room += 1
        self.disk.note("room_acknowledged", self.room)
        for _ in range(TURNS):
            chance = self.rng.random()
            path = self.rng.choice(PATHS)
            if chance < 0.7:
                for _ in range(self.rng.randrange(1, 20)):
                    self.append(self.rng.choice(PATHS))
                if self.rng.random() < 0.5:
                    await insist(self.store.flush)
            elif chance < 0.78:
                await self.change_item()
            elif chance < 0.8:
                await self.add_room()
            elif path not in self.incarnations:
                await self.create(path)
            elif chance < 0.91:
                await self.compact(path)
            else:
                await self.delete(path)
        await insist(self.store.flush)

    def append(self, path: str) -> None:
        if path not in self.incarnations:
            self._begin(path)
        self.seqs[path] += 1
        seq = self.seqs[path]
        self.disk.note("sent", (path, seq))
        durable = partial(self.disk.note, "acknowledged", (path, seq))
        self.store.append(ROOM, path, self.incarnations[path], numbered(seq), durable)

    async def create(self, path: str) -> None:
        self._begin(path)
        self.seqs[path] = 1
        self.disk.note("sent", (path, 1))
        try:
            stored = await self.store.create(ROOM, path, self.incarnations[path], numbered(1))
            assert stored.incarnation == self.incarnations[path]
        except Unavailable:
            assert await insist(partial(self.store.load, ROOM, path)) is not None
        self.disk.note("acknowledged", (path, 1))

    async def compact(self, path: str) -> None:
        stored = await insist(partial(self.store.load, ROOM, path))
        if stored is None or not stored.records:
            return
        upto = self.rng.randint(stored.base_seq + 1, stored.last_seq)
        numbers = range(stored.base_seq + 1, upto + 1)
        traces = encode_traces([trace_of(number) for number in numbers])
        generation = Generation(stored.base_seq, upto, base_of(upto), traces)
        self.disk.note("base_sent", (path, upto))
        replace = partial(self.store.replace, ROOM, path, self.incarnations[path], generation)
        replacing = asyncio.create_task(insist(replace))
        await asyncio.sleep(0)
        self.append(path)
        assert await replacing
        self.disk.note("base_acknowledged", (path, upto))

    async def delete(self, path: str) -> None:
        self.disk.note("is_deleting", (path, True))
        assert await insist(partial(self.store.delete, ROOM, path))
        self.disk.note("is_deleted", (path, True))
        del self.incarnations[path]

    async def change_item(self) -> None:
        """Put the next item in the place of the one that is kept."""
        put, drop = [Item("", self.item + 1, bytes(500))], [("", self.item)]
        self.disk.note("item_sent", self.item + 1)
        await insist(partial(self.store.change_items, ROOM, API, put, drop))
        self.item += 1
        self.disk.note("item_acknowledged", self.item)

    async def add_room(self) -> None:
        room = new_room(f"room {self.room + 1}", 1)
        await insist(partial(self.store.add_room, room))
        self.room += 1
        self.disk.note("room_acknowledged", self.room)

    def _begin(self, path: str) -> None:
        self.incarnations[path] = self.rng.randbytes(16).hex()
        self.seqs[path] = 0
        self.disk.note("began", (path, self.incarnations[path]))


async def insist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it works."""
    while True:
        try:
            return await attempt()
        except Unavailable:
            pass


async def open_store(folder: Path, **pragmas: str | int) -> SqliteStore:
    """An open store, with settings of SQLite that a server would not have."""
    store = SqliteStore(folder, commit_pause_s=0.0)
    await store.open()
    writer = store._database._writer
    assert writer is not None
    for name, value in pragmas.items():
        writer.execute(f"PRAGMA {name} = {value}")
    return store


async def complaints(folder: Path, promises: Promises) -> list[str]:
    """What is wrong with a folder, which is opened, read, written to and closed."""
    try:
        store = await open_store(folder)
    except SyncroomError as error:
        return [f"corrupt: {error}"]
    found: list[str] = []
    try:
        found += await promises.broken_by(store)
        for path in promises:
            stored = await store.load(ROOM, path)
            if stored is not None:
                store.append(ROOM, path, stored.incarnation, numbered(stored.last_seq + 1))
        await store.flush()
    except SyncroomError as error:
        found.append(f"corrupt: {error}")
    await store.close()
    findings = check_file(folder)
    for path in promises:
        findings += check_rows(folder, ROOM, path)
    return [*found, *(f"corrupt: {finding.text}" for finding in findings)]
