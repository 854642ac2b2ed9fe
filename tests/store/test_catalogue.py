"""The catalogue in a file: made from the documents of an older one, and damage is noticed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncroom.errors import Damaged, Unavailable
from syncroom.store import catalogue
from syncroom.store.base import new_room
from syncroom.store.check import check_file
from syncroom.store.database import Database
from syncroom.store.sqlite import SqliteStore
from tests.store.files import make_version, tool, write_documents

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_of_schema_version_2_gets_a_room_for_each_that_has_documents(
    tmp_path: Path,
) -> None:
    write_documents(tmp_path, documents=3, records=2)
    with tool(tmp_path / "syncroom.db") as connection:
        make_version(connection, 2)

    for _ in range(2):
        database = Database(tmp_path)
        database.open()
        with closing(database):
            rooms, total = database.look_up("the rooms", lambda it: catalogue.page(it, "", "", 10))
            assert database.read("demo", "0.md") is not None
            assert ([room.name for room in rooms], total) == (["demo"], 1)
            assert rooms[0].created_ms > 0


@pytest.mark.parametrize(
    "change",
    [
        "is_enabled = 0",
        "metadata = '{\"a\": 1}'",
        "annotations = '{'",
        "created_ms = 5",
        "id = 'other'",
        "name = 'other'",
    ],
)
async def test_an_altered_row_is_never_taken_for_a_room(tmp_path: Path, change: str) -> None:
    store = SqliteStore(tmp_path, commit_pause_s=0)
    await store.open()
    await store.add_room(new_room("sound", 1000))
    await store.add_room(new_room("demo", 1000))
    with tool(tmp_path / "syncroom.db") as connection:
        connection.execute(f"UPDATE rooms SET {change} WHERE name = 'demo'")

    with pytest.raises(Damaged, match="not what was written"):
        await store.find_room("other" if "name" in change else "demo")
    listed, _ = await store.list_rooms("", "", 10)
    (finding,) = check_file(tmp_path)

    assert [room.name for room in listed] == ["sound"]
    assert finding.kind == "row"
    assert "not what was written" in finding.text
    await store.close()


async def test_a_catalogue_that_is_lost_is_told(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, commit_pause_s=0)
    await store.open()
    with tool(tmp_path / "syncroom.db") as connection:
        connection.execute("DROP TABLE rooms")

    for asked in (
        store.find_room("demo"),
        store.add_room(new_room("demo", 1000)),
        store.delete_room("demo"),
    ):
        with pytest.raises(Unavailable, match="no such table"):
            await asked

    await store.close()
