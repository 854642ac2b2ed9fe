"""
Reads all that a data folder holds and says what is wrong with it, without stopping at the first
thing, and without changing any.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncroom.errors import Damaged
from syncroom.store import catalogue
from syncroom.store.document_schemas import read_schema
from syncroom.store.generations import read_traces
from syncroom.store.rows import DocumentRow, blob_checksum, decode_log_row
from syncroom.store.schema import connect, describe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: str
    """``file``, ``row``, ``missing``, ``checksum``, ``orphan``, and what ``syncroom.fsck`` adds."""
    room: str
    path: str
    seq: int | None
    """The number of the record, where it is one."""
    text: str


def check_file(folder: Path) -> Iterator[Finding]:
    """The findings in the file of a data folder that somebody holds open."""
    file = folder.resolve() / "syncroom.db"
    with closing(connect(f"{file.as_uri()}?mode=ro")) as connection:
        try:
            for (line,) in connection.execute("PRAGMA integrity_check").fetchall():
                if line != "ok":
                    yield Finding("file", "", "", None, f"SQLite says: {line}")
            yield from _orphans(connection)
            for row in catalogue.all_rows(connection):
                try:
                    catalogue.checked(row)
                except Damaged as error:
                    yield Finding("row", str(row[0]), "", None, str(error))
            for row in connection.execute("SELECT * FROM documents ORDER BY room, path").fetchall():
                yield from _check_document(connection, row)
        except sqlite3.Error as error:
            yield Finding("file", "", "", None, f"the rest can't be read: {describe(error)}")


def _orphans(connection: sqlite3.Connection) -> Iterator[Finding]:
    for table in ("log", "bases", "traces", "schemas"):
        select = (
            f"SELECT document, count(*) FROM {table} "
            "WHERE document NOT IN (SELECT id FROM documents) GROUP BY document"
        )
        for document, count in connection.execute(select).fetchall():
            text = f"{count} rows in {table} belong to document {document}, which is not listed"
            yield Finding("orphan", "", "", None, text)


def _check_document(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Iterator[Finding]:
    *columns, checksum = row
    document = DocumentRow(*columns)
    room, path = str(document.room), str(document.path)
    if document.checksum() != checksum:
        yield Finding("row", room, path, None, "its row is not what was written")
        return  # its numbers say nothing about the rest
    for kind, seq, text in _check_history(connection, document):
        yield Finding(kind, room, path, seq, text)


def _check_history(
    connection: sqlite3.Connection, document: DocumentRow
) -> Iterator[tuple[str, int | None, str]]:
    expected = document.kept_seq + 1
    select = (
        "SELECT seq, time_ms, participant, clients, updates, checksum FROM log "
        "WHERE document = ? AND seq > ? ORDER BY seq"
    )
    with closing(connection.execute(select, (document.id, document.kept_seq))) as rows:
        for seq, *columns in rows:
            if seq > document.last_seq:
                yield "missing", seq, f"it stands behind the last one, {document.last_seq}"
                continue
            if seq > expected:
                yield "missing", expected, _missing(expected, seq - 1)
            expected = seq + 1
            try:
                decode_log_row(document.incarnation, seq, *columns)
            except Damaged as error:
                yield "checksum", seq, str(error)
    if expected <= document.last_seq:
        yield "missing", expected, _missing(expected, document.last_seq)
    for seq in {document.base_seq, document.kept_seq} - {0}:
        yield from _check_base(connection, document, seq)
    for read in (read_traces, read_schema):
        try:
            read(connection, document)
        except Damaged as error:
            yield "checksum", None, str(error)


def _check_base(
    connection: sqlite3.Connection, document: DocumentRow, seq: int
) -> Iterator[tuple[str, int | None, str]]:
    select = "SELECT base, checksum FROM bases WHERE document = ? AND seq = ?"
    row = connection.execute(select, (document.id, seq)).fetchone()
    if row is None:
        yield "missing", seq, "the base up to it is missing"
    elif not isinstance(row[0], bytes) or blob_checksum(document, "bases", seq, row[0]) != row[1]:
        yield "checksum", seq, "the base up to it is not what was written"


def _missing(first: int, last: int) -> str:
    return "it is missing" if first == last else f"it is missing, with all up to {last}"
