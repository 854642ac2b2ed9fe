"""What room APIs keep in a SQLite file, and that an altered item is noticed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncroom.errors import Damaged
from syncroom.store import items
from syncroom.store.base import Item
from syncroom.store.database import Database
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
        database.look_up(lambda it: items.read(it, "demo", "queues"))
