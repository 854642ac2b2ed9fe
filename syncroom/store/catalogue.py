"""
The catalogue of rooms in a SQLite file: one row for each room, with a checksum.

A room is in it from the first time that somebody makes it, joins it or writes into it. A row that
comes back altered raises `Damaged` where it is asked for, and is left out of lists and logged.
"""

from __future__ import annotations

import json
import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any
from zlib import crc32

from syncroom.errors import Damaged
from syncroom.store.base import RoomInfo

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = "name, id, created_ms, is_enabled, metadata, annotations, checksum"

log = logging.getLogger("syncroom.store")


def add(connection: sqlite3.Connection, room: RoomInfo) -> bool:
    """Write the row of a room; False, with nothing written, where the name is taken."""
    insert = f"INSERT INTO rooms({_COLUMNS}) VALUES (?,?,?,?,?,?,?) ON CONFLICT(name) DO NOTHING"
    return connection.execute(insert, _row(room)).rowcount == 1


def update(connection: sqlite3.Connection, room: RoomInfo) -> bool:
    """Write the row of a room over the one of the same id; False where that is gone."""
    delete = "DELETE FROM rooms WHERE id = ? AND name = ?"
    if connection.execute(delete, (room.id, room.name)).rowcount == 0:
        return False
    return add(connection, room)


def find(connection: sqlite3.Connection, name: str) -> RoomInfo | None:
    """The room of a name; raises `Damaged`."""
    return _one(connection, "name", name)


def find_id(connection: sqlite3.Connection, id: str) -> RoomInfo | None:
    """The room of an id; raises `Damaged`."""
    return _one(connection, "id", id)


def page(
    connection: sqlite3.Connection, after: str, contains: str, limit: int
) -> tuple[list[RoomInfo], int]:
    """Rooms by name, and how many there are in all, as `Store.list_rooms` says."""
    like = "instr(lower(name), lower(?)) > 0"
    (total,) = connection.execute(
        f"SELECT count(*) FROM rooms WHERE {like}", (contains,)
    ).fetchone()
    select = f"SELECT {_COLUMNS} FROM rooms WHERE name > ? AND {like} ORDER BY name"
    rooms: list[RoomInfo] = []
    with closing(connection.execute(select, (after, contains))) as rows:
        for row in rows:
            if len(rooms) == limit:
                break
            try:
                rooms.append(checked(row))
            except Damaged as error:
                log.error("left out of the list of rooms: %s", error)
    return rooms, total


def all_rows(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Every row, as `checked` takes them."""
    return connection.execute(f"SELECT {_COLUMNS} FROM rooms ORDER BY name").fetchall()


def disabled(connection: sqlite3.Connection) -> list[str]:
    """The names of the rooms that are disabled."""
    select = "SELECT name FROM rooms WHERE NOT is_enabled ORDER BY name"
    return [name for (name,) in connection.execute(select)]


def checked(row: tuple[Any, ...]) -> RoomInfo:
    """The room in a row; raises `Damaged` where it is not what was written."""
    *columns, checksum = row
    name, id, created_ms, is_enabled, metadata, annotations = columns
    if _checksum(columns) != checksum:
        raise Damaged(f"the row of room {name!r} is not what was written")
    return RoomInfo(
        name, id, created_ms, json.loads(metadata), json.loads(annotations), bool(is_enabled)
    )


def _one(connection: sqlite3.Connection, column: str, value: str) -> RoomInfo | None:
    select = f"SELECT {_COLUMNS} FROM rooms WHERE {column} = ?"
    row = connection.execute(select, (value,)).fetchone()
    return None if row is None else checked(row)


def _row(room: RoomInfo) -> tuple[Any, ...]:
    columns = [
        room.name,
        room.id,
        room.created_ms,
        int(room.is_enabled),
        json.dumps(room.metadata),
        json.dumps(room.annotations),
    ]
    return *columns, _checksum(columns)


def _checksum(columns: list[Any]) -> int:
    # As JSON, in which no text passes between the fields.
    return crc32(json.dumps(columns).encode())
