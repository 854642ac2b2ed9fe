"""The files of a store, written and altered from outside."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from syncroom.store.database import Database
from tests.store.appender import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def tool(file: Path) -> Iterator[sqlite3.Connection]:
    """Another process's view of the file, and its way to alter it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection


def write_documents(folder: Path, *, documents: int, records: int) -> None:
    """Documents ``0.md``, ``1.md`` ... with numbered records, in a file that is closed again."""
    database = Database(folder)
    database.open()
    for number in range(records):
        database.write(
            [
                (
                    *("demo", f"{document}.md", f"{document:032x}"),
                    *(numbered(number + 1), None, False, ""),
                )
                for document in range(documents)
            ]
        )
    database.close()


_AS_IN_VERSION_5 = """
    CREATE TABLE old_documents(
        id INTEGER PRIMARY KEY, room TEXT NOT NULL, path TEXT NOT NULL, incarnation TEXT NOT NULL,
        created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, last_seq INTEGER NOT NULL,
        stored_bytes INTEGER NOT NULL, base_seq INTEGER NOT NULL, kept_seq INTEGER NOT NULL,
        checksum INTEGER NOT NULL, UNIQUE(room, path)
    );
    INSERT INTO old_documents
        SELECT id, room, path, incarnation, created_ms, changed_ms, last_seq, stored_bytes,
            base_seq, kept_seq, checksum
        FROM documents JOIN heads ON document = id;
    CREATE TABLE old_log(
        document INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        participant TEXT NOT NULL, clients BLOB NOT NULL, updates BLOB NOT NULL,
        checksum INTEGER NOT NULL, PRIMARY KEY(document, seq)
    );
    INSERT INTO old_log
        SELECT document, seq, time_ms, participant, clients, updates, checksum FROM log;
    DROP TABLE documents;
    DROP TABLE heads;
    DROP TABLE log;
    ALTER TABLE old_documents RENAME TO documents;
    ALTER TABLE old_log RENAME TO log;
"""

_NEW_IN_VERSION = {3: "rooms", 4: "schemas", 5: "items"}


def make_version(connection: sqlite3.Connection, version: int) -> None:
    """Turn a file into one as an earlier schema version wrote it."""
    connection.executescript(_AS_IN_VERSION_5)
    for later in range(version + 1, 6):
        connection.execute(f"DROP TABLE {_NEW_IN_VERSION[later]}")
    connection.execute(f"PRAGMA user_version = {version}")


def flip(value: Any, bit: int) -> Any:
    """The value with one bit turned, as a disk would."""
    if isinstance(value, int):
        return value ^ 1 << bit % 40
    if isinstance(value, str):
        return flip(value.encode(), bit).decode(errors="replace")
    turned = bytearray(value)
    turned[bit // 8 % len(turned)] ^= 1 << bit % 8
    return bytes(turned)
