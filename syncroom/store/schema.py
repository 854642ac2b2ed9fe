"""
What the SQLite file of a data folder holds, and the one way to open it.

A file that syncroom did not write and a schema newer than this code are refused as
`Misconfigured`, names of documents that contradict their index as `Damaged`. ``seq`` counts the
records of a document and never begins anew; a base or some traces stand under the number of the
last record that they stand for, the schema of a document's content under that of the record it
came with.

The records of all documents stand behind each other in one log. Each names the row of the one
before it of its document, and the document's head that of the newest. An index of them by document
would have a page of its own to write for nearly every record: a commit of 100 takes 10 us a record
like this, 28 with an index and one wide row for each document.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from syncroom.errors import Damaged, Misconfigured
from syncroom.store import catalogue
from syncroom.store.base import new_room

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID = int.from_bytes(b"syrm")
SCHEMA_VERSION = 6

DOCUMENTS = """CREATE TABLE documents(
    id INTEGER PRIMARY KEY,
    room TEXT NOT NULL,
    path TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    UNIQUE(room, path)
)"""

HEADS = """CREATE TABLE heads(
    document INTEGER PRIMARY KEY,
    changed_ms INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    last_row INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL,
    base_seq INTEGER NOT NULL,
    kept_seq INTEGER NOT NULL,
    checksum INTEGER NOT NULL
)"""

SELECT_DOCUMENTS = """
    SELECT id, room, path, incarnation, created_ms, changed_ms, last_seq, stored_bytes, base_seq,
        kept_seq, last_row, checksum
    FROM documents LEFT JOIN heads ON document = id
"""
"""The fields of a `DocumentRow`, and its checksum."""

BASES = """CREATE TABLE bases(
    document INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    base BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY(document, seq)
)"""

TRACES = """CREATE TABLE traces(
    document INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    traces BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY(document, seq)
)"""

SCHEMAS = """CREATE TABLE schemas(
    document INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    schema BLOB NOT NULL,
    checksum INTEGER NOT NULL
)"""

LOG = """CREATE TABLE log(
    id INTEGER PRIMARY KEY,
    previous INTEGER NOT NULL,
    document INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    participant TEXT NOT NULL,
    clients BLOB NOT NULL,
    updates BLOB NOT NULL,
    checksum INTEGER NOT NULL
)"""

ROOMS = """CREATE TABLE rooms(
    name TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    is_enabled INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    annotations TEXT NOT NULL,
    checksum INTEGER NOT NULL
)"""

ITEMS = """CREATE TABLE items(
    room TEXT NOT NULL,
    api TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    value BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY(room, api, name, number)
) WITHOUT ROWID"""

TABLES = (BASES, DOCUMENTS, HEADS, ITEMS, LOG, ROOMS, SCHEMAS, TRACES)
"""All of them, by name."""

LOCKED_S = 1.0
"""A tool that holds the write lock of the file is waited for so long; then the write failed."""

WAL_BYTES_MAX = 64 << 20
"""The write-ahead log is cut to this size after a burst."""


def connect(uri: str) -> sqlite3.Connection:
    """A connection that begins no transaction by itself."""
    connection = sqlite3.connect(
        uri, uri=True, timeout=LOCKED_S, isolation_level=None, check_same_thread=False
    )
    # Text with a flipped bit may be no UTF-8: its checksum shall say so, not the decoder.
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    return connection


def check_or_create(connection: sqlite3.Connection, file: Path) -> None:
    """Make a new file ready, and an old one; raises `Misconfigured`, `Damaged`."""

    def pragma(text: str) -> Any:
        return connection.execute(f"PRAGMA {text}").fetchone()[0]

    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    application, version = pragma("application_id"), pragma("user_version")
    if (tables, application, version) == (0, 0, 0):
        connection.executescript(
            f"BEGIN; {'; '.join(TABLES)}; PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
        version = SCHEMA_VERSION
    elif application != APPLICATION_ID:
        raise Misconfigured(f"{file} is not a database of syncroom; move it away")
    elif version > SCHEMA_VERSION:
        raise Misconfigured(
            f"{file} has schema version {version}, this syncroom knows versions up to "
            f"{SCHEMA_VERSION}; install a newer syncroom"
        )
    elif version < 2:
        raise Damaged(f"{file} has schema version {version}, which no release wrote")
    if version <= 2:
        _add_rooms(connection)
    if version <= 3:
        _add_schemas(connection)
    if version <= 4:
        _add_items(connection)
    if version <= 5:
        _chain_records(connection)
    written = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    if connection.execute(written).fetchall() != [(table,) for table in TABLES]:
        raise Damaged(f"{file} has other tables than schema version {SCHEMA_VERSION}")
    mode = pragma("journal_mode = WAL")
    if mode != "wal":
        raise Misconfigured(f"{file} can't have a write-ahead log; is it on a network drive?")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS keeps fsynced bytes in the drive's cache
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    found = pragma("integrity_check(documents)")
    if found != "ok":
        raise Damaged(
            f"the table of documents in {file} contradicts its index of names: {found}; "
            "restore a backup, or look into it with sqlite3 before you let it REINDEX"
        )


def _add_rooms(connection: sqlite3.Connection) -> None:
    """From version 2 to 3: the catalogue, with every room that has documents."""
    rooms = "SELECT room, min(created_ms) FROM documents GROUP BY room"
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(ROOMS)
        for name, created_ms in connection.execute(rooms).fetchall():
            catalogue.add(connection, new_room(name, created_ms))
        connection.execute("PRAGMA user_version = 3")


def _add_schemas(connection: sqlite3.Connection) -> None:
    """From version 3 to 4: the schemas that documents follow; none has one yet."""
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMAS}; PRAGMA user_version = 4; COMMIT;")


def _add_items(connection: sqlite3.Connection) -> None:
    """From version 4 to 5: what room APIs keep; there is nothing yet."""
    connection.executescript(f"BEGIN IMMEDIATE; {ITEMS}; PRAGMA user_version = 5; COMMIT;")


def _chain_records(connection: sqlite3.Connection) -> None:
    """From version 5 to 6: records name the one before, and what changes has a table of its own.

    The checksums go along as they are: what was damaged stays so.
    """
    connection.executescript(
        f"""
        BEGIN IMMEDIATE;
        ALTER TABLE documents RENAME TO documents_5;
        {DOCUMENTS};
        INSERT INTO documents SELECT id, room, path, incarnation, created_ms FROM documents_5;
        ALTER TABLE log RENAME TO log_5;
        {LOG};
        INSERT INTO log
            SELECT rowid, ifnull(lag(rowid) OVER (PARTITION BY document ORDER BY seq), 0), *
            FROM log_5;
        {HEADS};
        INSERT INTO heads
            SELECT id, changed_ms, last_seq,
                ifnull((SELECT rowid FROM log_5 WHERE document = id AND seq = last_seq), 0),
                stored_bytes, base_seq, kept_seq, checksum
            FROM documents_5;
        DROP TABLE documents_5;
        DROP TABLE log_5;
        PRAGMA user_version = 6;
        COMMIT;
        """
    )


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is wrong, and trying again can't help."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def describe(error: BaseException) -> str:
    """What SQLite said, with its own name for it, which is what people search for."""
    name = getattr(error, "sqlite_errorname", None)
    return f"{error} ({name})" if name else str(error)
