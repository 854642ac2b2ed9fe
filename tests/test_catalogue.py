"""Rooms that were made, disabled and deleted, and what that means for who comes in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from syncroom.auth.paths import check_room_name
from syncroom.errors import (
    Conflict,
    Disabled,
    LimitExceeded,
    Malformed,
    NotFound,
    SyncroomError,
    Unavailable,
)
from syncroom.limits import Limits
from syncroom.rooms import Rooms
from syncroom.store.memory import MemoryStore
from tests.document.fakes import FakePeer
from tests.protocol import craft

if TYPE_CHECKING:
    from syncroom.store.base import RoomInfo

HELLO = craft.update(craft.section(1, 0, craft.string("hello")))


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await store.open()
    return store


@pytest.fixture
async def rooms(store: MemoryStore) -> Rooms:
    return Rooms(store, Limits(idle_document_s=60))


async def _join(rooms: Rooms, name: str = "demo", path: str = "notes") -> FakePeer:
    peer = FakePeer()
    room = rooms.room(name)
    room.join(await room.open(path), peer)
    return peer


async def _names(rooms: Rooms) -> list[str]:
    return [room.name for room in (await rooms.catalogue.page("", "", 10))[0]]


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--b", "x" * 63, "550e8400-e29b-41d4-a716"])
def test_a_room_may_have_this_name(name: str) -> None:
    check_room_name(name)


@pytest.mark.parametrize(
    "name", ["", "-", "a-", "-a", "A", "a_b", "a b", "a/b", "ä", "a\n", "x" * 64, "a.b", "..", "\0"]
)
async def test_a_new_room_may_not_have_that_name(rooms: Rooms, name: str) -> None:
    with pytest.raises(Malformed, match="name of a room"):
        await rooms.catalogue.create(name, {}, {})


async def test_a_room_is_made_once(rooms: Rooms) -> None:
    made = await rooms.catalogue.create("demo", {"a": 1}, {"b": "c"})

    with pytest.raises(Conflict, match="'demo' already"):
        await rooms.catalogue.create("demo", {}, {})

    assert await rooms.catalogue.find("demo") == made
    assert await rooms.catalogue.find_id(made.id) == made
    assert (made.metadata, made.annotations, made.is_enabled) == ({"a": 1}, {"b": "c"}, True)


async def test_metadata_has_a_bound_when_a_room_is_made_and_when_it_is_changed(
    store: MemoryStore,
) -> None:
    fits = {"a": "x" * (100 - len('[{"a": ""}, {}]'))}
    rooms = Rooms(store, Limits(room_info_bytes_max=100))

    made = await rooms.catalogue.create("demo", fits, {})
    with pytest.raises(LimitExceeded, match="101 bytes as JSON, 100 are allowed"):
        await rooms.catalogue.create("other", {"a": fits["a"] + "x"}, {})
    with pytest.raises(LimitExceeded):
        await rooms.change(made.id, {"annotations": {"a": "b"}})

    assert await rooms.catalogue.find("demo") == made


async def test_a_room_comes_into_the_catalogue_when_somebody_first_comes_in(rooms: Rooms) -> None:
    peer = await _join(rooms)
    first = await rooms.catalogue.find("demo")
    rooms.room("demo").leave(rooms.room("demo").documents["notes"], peer)
    await _join(rooms)

    assert await rooms.catalogue.find("demo") == first
    assert await _names(rooms) == ["demo"]


async def test_looking_at_a_room_that_is_not_there_does_not_make_it(rooms: Rooms) -> None:
    await rooms.documents("demo")
    rooms.room("demo")

    with pytest.raises(NotFound, match="'demo'"):
        await rooms.catalogue.find("demo")


async def test_a_store_that_fails_keeps_nobody_out(
    rooms: Rooms, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(room: RoomInfo) -> bool:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(store, "add_room", fail)

    await _join(rooms)
    await rooms.close()

    assert len(rooms.room("demo").participants) == 1


async def test_whoever_is_in_a_room_that_is_disabled_has_to_leave_and_nobody_comes_in(
    rooms: Rooms, store: MemoryStore
) -> None:
    dismissed: list[tuple[str, SyncroomError]] = []
    rooms.on_dismissal = lambda name, why: dismissed.append((name, why))
    room = rooms.room("demo")
    document = await room.open("notes")
    made = await rooms.catalogue.create("demo", {"a": 1}, {})

    changed = await rooms.change(made.id, {"is_enabled": False})

    assert changed.metadata == {"a": 1}
    assert [(name, type(why)) for name, why in dismissed] == [("demo", Disabled)]
    assert rooms.is_disabled("demo")
    with pytest.raises(Disabled):
        rooms.check("demo")
    with pytest.raises(Disabled):
        room.join(document, FakePeer())
    again = Rooms(store, Limits())
    await again.open()
    assert again.is_disabled("demo")


async def test_a_room_that_is_enabled_again_lets_people_in(rooms: Rooms) -> None:
    made = await rooms.catalogue.create("demo", {}, {})
    await rooms.change(made.id, {"is_enabled": False})
    await rooms.change(made.id, {"metadata": {"a": 1}})
    assert rooms.is_disabled("demo")

    await rooms.change(made.id, {"is_enabled": True})

    rooms.check("demo")
    await _join(rooms)


async def test_changes_at_the_same_time_lose_nothing(rooms: Rooms) -> None:
    made = await rooms.catalogue.create("demo", {}, {})

    await asyncio.gather(
        rooms.change(made.id, {"metadata": {"a": 1}}),
        rooms.change(made.id, {"annotations": {"b": "c"}}),
        rooms.change(made.id, {"is_enabled": False}),
    )

    found = await rooms.catalogue.find("demo")
    assert (found.metadata, found.annotations) == ({"a": 1}, {"b": "c"})
    assert not found.is_enabled


async def test_what_is_not_there_is_neither_changed_nor_deleted(rooms: Rooms) -> None:
    with pytest.raises(NotFound):
        await rooms.change("no-such-id", {"is_enabled": False})
    with pytest.raises(NotFound):
        await rooms.delete("demo")


async def test_a_deleted_room_is_gone_with_what_arrived_last(
    rooms: Rooms, store: MemoryStore
) -> None:
    dismissed: list[tuple[str, SyncroomError]] = []
    rooms.on_dismissal = lambda name, why: dismissed.append((name, why))
    peer = await _join(rooms)
    room = rooms.room("demo")
    room.documents["notes"].accept(peer, HELLO, live=True)
    loading = room.load("other")

    await rooms.delete("demo")

    assert loading.done()
    assert room.documents == {}
    assert [type(why) for why in (*peer.failures, *(why for _, why in dismissed))] == [NotFound] * 2
    assert await store.documents("demo") == []
    assert await _names(rooms) == []
    assert rooms.room("demo") is not room
    await rooms.flush()


async def test_nobody_has_to_leave_a_room_that_the_disk_does_not_let_be_deleted(
    rooms: Rooms, store: MemoryStore
) -> None:
    peer = await _join(rooms)
    store.failure = "the disk is full"

    with pytest.raises(Unavailable, match="the disk is full"):
        await rooms.delete("demo")

    assert peer.failures == []


async def test_nobody_comes_in_while_a_room_is_being_deleted(rooms: Rooms) -> None:
    room = rooms.room("demo")
    document = await room.open("notes")
    await rooms.catalogue.create("demo", {}, {})
    room.load("other")  # which the deletion waits for
    deleting = asyncio.ensure_future(rooms.delete("demo"))
    await asyncio.sleep(0)

    with pytest.raises(Unavailable, match="being deleted"):
        rooms.check("demo")
    with pytest.raises(Unavailable, match="being deleted"):
        rooms.room("demo")
    with pytest.raises(Unavailable, match="being deleted"):
        room.join(document, FakePeer())
    with pytest.raises(Unavailable, match="being deleted"):
        await rooms.delete("demo")

    await deleting
    rooms.check("demo")


async def test_a_room_that_was_disabled_and_deleted_may_be_made_anew(rooms: Rooms) -> None:
    made = await rooms.catalogue.create("demo", {}, {})
    await rooms.change(made.id, {"is_enabled": False})

    await rooms.delete("demo")

    assert not rooms.is_disabled("demo")
    assert (await rooms.catalogue.create("demo", {}, {})).id != made.id


async def test_a_room_tells_since_when_somebody_is_in_it(rooms: Rooms) -> None:
    assert rooms.occupied_since_ms("demo") == 0
    first, second = await _join(rooms), await _join(rooms, path="other")
    room = rooms.room("demo")
    since = rooms.occupied_since_ms("demo")

    room.leave(room.documents["notes"], first)
    assert rooms.occupied_since_ms("demo") == since > 0
    room.leave(room.documents["other"], second)
    assert rooms.occupied_since_ms("demo") == 0
