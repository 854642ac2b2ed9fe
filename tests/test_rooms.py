"""All rooms of a server: made when first asked for, told of the disk, forgotten when idle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from syncroom.errors import Unavailable
from syncroom.limits import Limits
from syncroom.rooms import Rooms
from syncroom.store.base import Record
from syncroom.store.memory import MemoryStore
from tests.document.fakes import FakePeer, OpenDocuments
from tests.protocol import craft

if TYPE_CHECKING:
    from syncroom.room import Room
    from syncroom.store.base import Generation

HELLO = craft.update(craft.section(1, 0, craft.string("hello")))


async def _rooms(idle_s: float = 60.0) -> tuple[Rooms, MemoryStore]:
    store = MemoryStore()
    await store.open()
    return Rooms(store, Limits(idle_document_s=idle_s)), store


async def test_a_name_means_one_room() -> None:
    rooms, _ = await _rooms()

    assert rooms.room("demo") is rooms.room("demo")
    assert rooms.room("demo") is not rooms.room("Demo")


async def test_rooms_share_no_documents() -> None:
    rooms, _ = await _rooms()
    demo, other = await rooms.room("demo").load("notes"), await rooms.room("other").load("notes")
    peer = FakePeer()

    demo.accept(peer, HELLO, live=True)
    await rooms.flush()

    assert other.vector() == b"\0"
    assert [info.path for info in await rooms.documents("demo")] == ["notes"]
    assert await rooms.documents("other") == []


async def test_a_flush_puts_on_disk_what_arrived_in_this_turn() -> None:
    rooms, store = await _rooms()
    document = await rooms.room("demo").load("notes")
    document.accept(FakePeer(), HELLO, live=True)

    await rooms.flush()

    stored = await store.load("demo", "notes")
    assert stored is not None
    assert [data for record in stored.records for data in record.updates] == [HELLO]


async def test_every_open_document_is_told_of_the_disk() -> None:
    rooms, store = await _rooms()
    documents = [await rooms.room(name).load("notes") for name in ("a", "b")]
    peers = [FakePeer() for _ in documents]
    for document, peer in zip(documents, peers, strict=True):
        document.join(peer)
    assert store.on_failure is not None
    assert rooms.failure is None

    store.failure = "the disk is full"
    store.on_failure(store.failure)
    for document, peer in zip(documents, peers, strict=True):
        with pytest.raises(Unavailable, match="the disk is full"):
            document.accept(peer, HELLO, live=True)
    assert rooms.failure == "the disk is full"
    store.failure = None
    store.on_failure(None)

    assert [peer.resyncs for peer in peers] == [1, 1]


async def test_a_document_that_can_be_stored_no_more_is_let_go_of_and_others_stay() -> None:
    rooms, store = await _rooms()
    room = rooms.room("demo")
    lost, other = await room.load("notes"), await room.load("other")
    ann, ben = FakePeer(), FakePeer()
    room.join(lost, ann)
    room.join(other, ben)
    await store.create("demo", "notes", "f" * 32, Record(1, "", (), (HELLO,)))

    lost.accept(ann, HELLO, live=True)
    await rooms.flush()

    assert [str(error) for error in ann.failures] == [
        f"the document 'notes' can't be stored: the stored incarnation is {'f' * 32}"
    ]
    assert ben.failures == []
    with pytest.raises(Unavailable, match="can't be stored"):
        lost.accept(ann, HELLO, live=True)
    assert (await room.open("notes")).incarnation == "f" * 32


async def test_an_idle_room_is_forgotten_and_made_anew() -> None:
    rooms, _ = await _rooms(idle_s=0.001)
    room = rooms.room("demo")
    room.documents = documents = OpenDocuments()

    await room.load("notes")

    await documents.without("notes")

    assert rooms.room("demo") is not room


class WatchedStore(MemoryStore):
    """A store that says when a document was compacted."""

    def __init__(self) -> None:
        super().__init__()
        self.replaced: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def replace(self, room: str, path: str, incarnation: str, generation: Generation) -> bool:
        is_replaced = await super().replace(room, path, incarnation, generation)
        self.replaced.put_nowait((room, path))
        return is_replaced


async def _write(rooms: Rooms, path: str, count: int) -> None:
    document = await rooms.room("demo").load(path)
    for client in range(count):
        update = craft.update(craft.section(client, 0, craft.string("a")))
        document.accept(FakePeer(), update, live=True)
        document.flush()


async def test_a_document_that_grows_is_compacted_while_it_is_open() -> None:
    store = WatchedStore()
    await store.open()
    rooms = Rooms(store, Limits(idle_document_s=60, compaction_records_min=20))

    await _write(rooms, "notes", 25)
    compacted = await store.replaced.get()
    await rooms.close()

    stored = await store.load("demo", "notes")
    assert compacted == ("demo", "notes")
    assert stored is not None
    assert stored.last_seq == 25
    assert stored.base_seq >= 20


async def test_a_document_that_grew_is_compacted_when_it_is_unloaded_and_a_small_one_is_not() -> (
    None
):
    store = WatchedStore()
    await store.open()
    rooms = Rooms(store, Limits(idle_document_s=0.001, compaction_records_min=100))

    await _write(rooms, "small", 9)
    await _write(rooms, "large", 10)
    compacted = await store.replaced.get()
    await rooms.close()

    assert compacted == ("demo", "large")
    assert store.replaced.empty()
    small = await store.load("demo", "small")
    assert small is not None
    assert small.base_seq == 0


async def test_a_room_that_was_only_asked_about_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rooms, _ = await _rooms(idle_s=0.001)
    forgotten = asyncio.Event()
    forget = rooms._forget

    def forget_and_tell(room: Room) -> None:
        forget(room)
        forgotten.set()

    monkeypatch.setattr(rooms, "_forget", forget_and_tell)

    rooms.room("demo")
    await forgotten.wait()

    assert rooms.count == 0
