"""What every store promises about the catalogue of rooms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from syncroom.errors import Unavailable
from syncroom.store.base import RoomInfo, Store, new_room
from tests.contract.test_store import INCARNATION, OPENERS, append_all, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = OPENERS[request.param](tmp_path / "data")
    await opened.open()
    yield opened
    await opened.close()


def room(name: str = "demo") -> RoomInfo:
    return replace(new_room(name, 1000), metadata={"a": [1, None]}, annotations={"b": "Grüße"})


async def test_a_room_comes_back_as_it_was_made(store: Store) -> None:
    made = room()

    assert await store.add_room(made)

    assert await store.find_room("demo") == made
    assert await store.find_room_id(made.id) == made
    assert await store.find_room("other") is None
    assert await store.find_room_id(room().id) is None


async def test_a_name_is_taken_once(store: Store) -> None:
    made = room()
    await store.add_room(made)

    assert not await store.add_room(room())

    assert await store.find_room("demo") == made


async def test_a_room_comes_into_being_with_its_first_document(store: Store) -> None:
    await append_all(store, "demo", "notes.md", record(1), record(2))
    await store.create("other", "notes.md", INCARNATION, record(3))

    rooms, total = await store.list_rooms("", "", 10)

    assert [(each.name, each.created_ms) for each in rooms] == [
        ("demo", record(1).time_ms),
        ("other", record(3).time_ms),
    ]
    assert total == 2
    assert len({each.id for each in rooms}) == 2


async def test_a_room_that_was_made_before_keeps_its_row(store: Store) -> None:
    made = room()
    await store.add_room(made)

    await append_all(store, "demo", "notes.md", record(1))

    assert await store.find_room("demo") == made


async def test_rooms_are_listed_by_name_in_pages(store: Store) -> None:
    for name in ("b", "a-demo", "c", "demo-d"):
        await store.add_room(room(name))

    first, total = await store.list_rooms("", "", 3)
    rest, _ = await store.list_rooms("c", "", 3)
    some, matching = await store.list_rooms("", "DEMO", 1)

    assert [each.name for each in first] == ["a-demo", "b", "c"]
    assert [each.name for each in rest] == ["demo-d"]
    assert [each.name for each in some] == ["a-demo"]
    assert (total, matching) == (4, 2)


async def test_a_room_is_updated_under_its_name_and_id(store: Store) -> None:
    made = room()
    await store.add_room(made)
    changed = replace(made, metadata={}, is_enabled=False)

    assert await store.update_room(changed)
    assert not await store.update_room(room())
    assert not await store.update_room(room("other"))

    assert await store.find_room("demo") == changed
    assert await store.disabled_rooms() == ["demo"]
    assert (await store.list_rooms("", "", 10))[1] == 1


async def test_a_deleted_room_is_gone_with_its_documents_and_its_histories_end(
    store: Store,
) -> None:
    await append_all(store, "demo", "notes.md", record(1))
    await append_all(store, "other", "notes.md", record(2))
    before = await store.find_room("demo")

    assert await store.delete_room("demo")
    store.append("demo", "notes.md", INCARNATION, record(3))
    await store.flush()

    assert await store.find_room("demo") is None
    assert await store.documents("demo") == []
    assert [each.path for each in await store.documents("other")] == ["notes.md"]
    assert not await store.delete_room("demo")
    await store.create("demo", "notes.md", "f" * 32, record(4))
    after = await store.find_room("demo")
    assert before is not None
    assert after is not None
    assert before.id != after.id


async def test_a_room_without_documents_is_deleted_too(store: Store) -> None:
    await store.add_room(room())

    assert await store.delete_room("demo")

    assert await store.find_room("demo") is None


async def test_a_closed_store_has_no_catalogue(store: Store) -> None:
    await store.close()

    for asked in (
        store.add_room(room()),
        store.find_room("demo"),
        store.find_room_id("x"),
        store.list_rooms("", "", 1),
        store.disabled_rooms(),
        store.update_room(room()),
        store.delete_room("demo"),
    ):
        with pytest.raises(Unavailable, match="not open"):
            await asked
