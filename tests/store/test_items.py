"""What room APIs keep in a SQLite file, and that an altered item is noticed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncroom.errors import Damaged, Unavailable
from syncroom.store import items
from syncroom.store.base import Item
from syncroom.store.database import Database
from syncroom.store.sqlite import SqliteStore
from tests.store.files import tool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "alter", ["value = x'00'", "value = 'text'", "name = 'b'", "number = 2", "checksum = 5"]
)
def test_an_altered_item_is_noticed(tmp_path: Path, alter: str) -> None:
    database = Database(tmp_path)
    database.open()
    kept = [Item("a", 1, b"value")]
    database.change(lambda it: items.change(it, "demo", "queues", kept, ()))
    database.close()
    with tool(tmp_path / "syncroom.db") as connection:
        connection.execute(f"UPDATE items SET {alter}")

    database.open()

    with closing(database), pytest.raises(Damaged, match="queues"):
        database.look_up("the queues", lambda it: items.read(it, "demo", "queues"))


async def test_an_error_says_what_could_not_be_read_or_written(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, commit_pause_s=0)
    await store.open()
    with tool(tmp_path / "syncroom.db") as connection:
        connection.execute("DROP TABLE items")

    with pytest.raises(Unavailable, match="what room 'demo' keeps for 'queues' can't be read"):
        await store.items("demo", "queues")
    with pytest.raises(Unavailable, match="what room 'demo' keeps for 'queues' can't be changed"):
        await store.change_items("demo", "queues", [Item("a", 1, b"value")])

    await store.close()
