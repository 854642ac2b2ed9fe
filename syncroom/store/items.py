"""
What room APIs keep beside documents, as statements on an open transaction: items, each under the
room, the API, a name and a number.

An item that comes back altered raises `Damaged`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from syncroom.errors import Damaged
from syncroom.store.base import FOR_EVER, Item

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


def change(
    connection: sqlite3.Connection,
    room: str,
    api: str,
    put: Iterable[Item],
    drop: Iterable[tuple[str, int]],
) -> None:
    """Take items away, and write others, over those of their name and number."""
    delete = "DELETE FROM items WHERE room = ? AND api = ? AND name = ? AND number = ?"
    connection.executemany(delete, [(room, api, *key) for key in drop])
    insert = "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?)"
    rows = [(room, api, *item, _checksum(room, api, item)) for item in put]
    connection.executemany(insert, rows)


def read(connection: sqlite3.Connection, room: str, api: str) -> list[Item]:
    """The items of an API in a room, by name and number; raises `Damaged`."""
    select = (
        "SELECT name, number, value, checksum FROM items WHERE room = ? AND api = ? "
        "ORDER BY name, number"
    )
    items = []
    for name, number, value, checksum in connection.execute(select, (room, api)):
        item = Item(name, number, value)
        if not isinstance(value, bytes) or _checksum(room, api, item) != checksum:
            raise Damaged(f"what {api} keeps as {name!r} in room {room!r} is not what was written")
        items.append(item)
    return items


def delete_room(connection: sqlite3.Connection, room: str) -> None:
    """Take the items of a room away that are not kept for ever."""
    delete = "DELETE FROM items WHERE room = ? AND substr(api, 1, ?) <> ?"
    connection.execute(delete, (room, len(FOR_EVER), FOR_EVER))


def _checksum(room: str, api: str, item: Item) -> int:
    place = repr((room, api, item.name, item.number)).encode()
    return crc32(item.value, crc32(place))
