"""A room: each document is read once at a time, served only whole, and unloaded when it is safe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.auth.paths import PARTICIPANTS_PATH
from syncroom.contents import Contents
from syncroom.document.large import LargeUpdates
from syncroom.document.maps import MapDocument
from syncroom.document.turns import Turns
from syncroom.errors import Damaged, NotFound, Unavailable
from syncroom.hook_runner import HookRunner
from syncroom.hooks import Hooks
from syncroom.limits import Limits
from syncroom.metrics import Metrics
from syncroom.room import Room
from syncroom.rooms import Rooms, talk_only
from syncroom.store.base import Record, StoredDocument
from syncroom.store.memory import MemoryStore
from syncroom.store.quarantine import Quarantine
from tests.document.fakes import WIRE, FakePeer, OpenDocuments
from tests.protocol import craft
from tests.support import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.document.document import Document

HELLO = craft.update(craft.section(1, 0, craft.string("hello")))


class GatedStore(MemoryStore):
    """A store whose reads wait, fail and count, and whose writes become durable when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.creations = 0
        self.may_load = asyncio.Event()
        self.may_load.set()
        self.error: Exception | None = None
        self.is_durable = True
        self.waiting: list[Callable[[], None]] = []

    async def load(self, room: str, path: str) -> StoredDocument | None:
        self.loads += 1
        await self.may_load.wait()
        if self.error is not None:
            raise self.error
        return await super().load(room, path)

    async def create(
        self, room: str, path: str, incarnation: str, initial: Record
    ) -> StoredDocument:
        self.creations += 1
        return await super().create(room, path, incarnation, initial)

    def append(
        self,
        room: str,
        path: str,
        incarnation: str,
        record: Record,
        durable: Callable[[], None] | None = None,
        schema: str = "",
    ) -> None:
        if self.is_durable or durable is None:
            super().append(room, path, incarnation, record, durable, schema)
            return
        super().append(room, path, incarnation, record, None, schema)
        self.waiting.append(durable)


class Scene:
    def __init__(self, store: GatedStore, room: Room, idle: list[Room]) -> None:
        self.store = store
        self.room = room
        self.idle = idle
        self.documents = OpenDocuments()
        room.documents = self.documents

    async def open(self, path: str = "notes") -> Document:
        found = self.room.find(path)
        return found if found is not None else await self.room.load(path)

    async def unloaded(self, path: str = "notes") -> None:
        await self.documents.without(path)


async def _scene(initial: bytes | None = None, idle_s: float = 0.001) -> Scene:
    store, idle = GatedStore(), []  # type: tuple[GatedStore, list[Room]]
    await store.open()
    limits = Limits(idle_document_s=idle_s)
    hooks = HookRunner(Hooks(on_load=lambda _room, _path: initial), limits)
    hooks.contents = Contents(Rooms(store, limits), store, Quarantine(None))
    room = Room(
        "demo",
        store,
        limits,
        Metrics(),
        turns=Turns(asyncio.get_running_loop()),
        equip=talk_only,
        hooks=hooks,
        large=LargeUpdates(limits),
        on_idle=idle.append,
    )
    return Scene(store, room, idle)


def _text(document: Document) -> bytes:
    return wire.messages(document.answer(WIRE, b"\0"))[0].payload


async def test_however_many_ask_a_document_is_read_once() -> None:
    scene = await _scene(idle_s=60)
    scene.store.may_load.clear()

    asked = [scene.room.load("notes") for _ in range(5)]
    scene.store.may_load.set()
    documents = await asyncio.gather(*asked)

    assert scene.store.loads == 1
    assert all(document is documents[0] for document in documents)
    assert scene.room.find("notes") is documents[0]


async def test_different_documents_are_read_side_by_side() -> None:
    scene = await _scene(idle_s=60)
    scene.store.may_load.clear()

    first, second = scene.room.load("a"), scene.room.load("b")
    await asyncio.sleep(0)
    scene.store.may_load.set()

    assert (await first).path == "a"
    assert (await second).path == "b"
    assert scene.store.loads == 2


async def test_what_is_written_is_there_after_the_document_was_unloaded() -> None:
    scene = await _scene()
    document, peer = await scene.open(), FakePeer()
    scene.room.join(document, peer)
    document.accept(peer, HELLO, live=True)
    scene.room.leave(document, peer)
    await scene.unloaded()

    again = await scene.open()

    assert again is not document
    assert again.incarnation == document.incarnation
    assert _text(again) == HELLO


async def test_a_document_somebody_has_open_stays() -> None:
    scene = await _scene()
    document, peer = await scene.open(), FakePeer()
    scene.room.join(document, peer)
    other = await scene.open("other")

    await scene.unloaded("other")

    assert scene.room.find("notes") is document
    assert scene.room.find("other") is not other


async def test_a_document_is_not_unloaded_before_its_last_change_is_on_disk() -> None:
    scene = await _scene()
    scene.store.is_durable = False
    document, peer = await scene.open(), FakePeer()
    scene.room.join(document, peer)
    document.accept(peer, HELLO, live=True)
    scene.room.leave(document, peer)

    await scene.open("other")
    await scene.unloaded("other")
    assert scene.room.find("notes") is document
    for durable in scene.store.waiting:
        durable()

    await scene.unloaded()


async def test_who_comes_back_before_the_unloading_finds_the_same_document() -> None:
    scene = await _scene()
    document, first, second = await scene.open(), FakePeer(), FakePeer()
    scene.room.join(document, first)
    scene.room.leave(document, first)
    scene.room.join(document, second)
    await scene.open("other")
    await scene.unloaded("other")

    assert scene.room.find("notes") is document
    scene.room.leave(document, second)
    await scene.unloaded()


@pytest.mark.parametrize("error", [Damaged("a checksum is wrong"), Unavailable("no file")])
async def test_a_document_that_cannot_be_read_is_not_served_and_not_replaced(
    error: Exception,
) -> None:
    scene = await _scene(initial=HELLO)
    scene.store.error = error

    with pytest.raises(type(error)):
        await scene.open()

    assert scene.room.find("notes") is None
    assert scene.store.creations == 0
    assert await scene.store.documents("demo") == []
    scene.store.error = None
    assert _text(await scene.open()) == HELLO


@pytest.mark.parametrize(
    "stored",
    [b"\xff", craft.update(craft.section(1, 3, craft.string("x"))), b"\0\0\0"],
    ids=["no update", "a hole", "trailing bytes"],
)
async def test_a_stored_document_that_makes_no_sense_is_damaged(stored: bytes) -> None:
    scene = await _scene()
    record = Record(1, "", (), (stored,))
    await scene.store.create("demo", "notes", "0" * 32, record)

    with pytest.raises(Damaged, match="'notes'"):
        await scene.open()

    assert scene.room.find("notes") is None
    assert await scene.store.load("demo", "notes") == StoredDocument("0" * 32, (record,))


async def test_a_failed_load_nobody_waits_for_leaves_no_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = await _scene()
    scene.store.error = Damaged("gone")
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    loading = scene.room.load("notes")
    await asyncio.wait([loading])
    del loading
    await asyncio.sleep(0)

    assert complaints == []
    assert scene.idle == [scene.room]


async def test_initial_content_is_written_once_with_the_document() -> None:
    scene = await _scene(initial=HELLO)
    first = await scene.open()
    incarnation = first.incarnation
    await scene.unloaded()

    again = await scene.open()

    assert (again.incarnation, _text(again)) == (incarnation, HELLO)
    assert scene.store.creations == 1


async def test_an_empty_document_is_not_written() -> None:
    scene = await _scene()

    assert _text(await scene.open()) == b"\0\0"

    assert await scene.store.documents("demo") == []


async def test_a_failure_of_the_disk_holds_for_documents_that_are_opened_meanwhile() -> None:
    scene = await _scene(idle_s=60)
    scene.store.failure = "the disk is full"
    document, peer = await scene.open(), FakePeer()

    with pytest.raises(Unavailable):
        document.accept(peer, HELLO, live=True)


async def test_nobody_has_to_leave_a_document_that_the_disk_does_not_let_be_deleted() -> None:
    scene = await _scene(idle_s=60)
    document, peer = await scene.open(), FakePeer()
    scene.room.join(document, peer)
    scene.store.failure = "the disk is full"

    with pytest.raises(Unavailable, match="can be deleted at present: the disk is full"):
        await scene.room.delete("notes")

    assert peer.failures == []
    assert await scene.open() is document


async def test_a_failure_that_passed_while_a_document_was_read_is_over_for_it() -> None:
    scene = await _scene(initial=HELLO, idle_s=60)
    scene.store.failure = "the disk is full"
    scene.store.may_load.clear()
    loading = scene.room.load("notes")
    await asyncio.sleep(0)

    scene.store.failure = None
    scene.store.may_load.set()
    document = await loading

    document.accept(FakePeer(), craft.update(deletes={1: [(0, 1)]}), live=True)


# -- reserved documents


async def test_the_participants_are_a_document_that_takes_no_reading() -> None:
    scene = await _scene()

    document = scene.room.find(PARTICIPANTS_PATH)

    assert isinstance(document, MapDocument)
    assert scene.room.find(PARTICIPANTS_PATH) is document
    assert scene.store.loads == 0
    await scene.unloaded(PARTICIPANTS_PATH)
    assert scene.room.find(PARTICIPANTS_PATH) is not document


@pytest.mark.parametrize("path", [".room", ".room/queues", ".ROOM/participants", ".Room/x"])
async def test_other_reserved_paths_hold_nothing(path: str) -> None:
    scene = await _scene()

    with pytest.raises(NotFound):
        scene.room.find(path)


async def test_peers_are_participants_while_they_are_seated() -> None:
    scene = await _scene(idle_s=60)
    document, ann, again = await scene.open(), FakePeer("ann"), FakePeer("ann")

    scene.room.join(document, ann)
    scene.room.join(document, again)
    assert len(scene.room.participants) == 1
    scene.room.leave(document, ann)
    scene.room.leave(document, again)

    assert len(scene.room.participants) == 0
    assert document.peers == set()


async def test_a_room_is_idle_when_nothing_of_it_is_in_use() -> None:
    scene = await _scene()
    document, peer = await scene.open(), FakePeer()
    scene.room.join(document, peer)
    await scene.open("other")
    await scene.unloaded("other")
    assert scene.idle == []

    scene.room.leave(document, peer)
    await scene.unloaded()

    assert scene.idle == [scene.room]
