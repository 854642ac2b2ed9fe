"""
Reads all that a data folder holds and says what is wrong with it, without stopping at the first
thing, and without changing any.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from syncroom.errors import Damaged
from syncroom.store import catalogue
from syncroom.store.base import Finding
from syncroom.store.document_schemas import read_schema
from syncroom.store.generations import read_traces
from syncroom.store.records import found_rows
from syncroom.store.rows import DocumentRow, blob_checksum, decode_log_row
from syncroom.store.schema import SELECT_DOCUMENTS, connect, describe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check_file(folder: Path) -> list[Finding]:
    """What is wrong in the file of a data folder beside the documents that it lists.

    A server may go on writing: each statement sees the file as it is at one moment.
    """
    found: list[Finding] = []
    with closing(_connect(folder)) as connection:
        try:
            for (line,) in connection.execute("PRAGMA integrity_check").fetchall():
                if line != "ok":
                    found.append(Finding("file", "", "", None, f"SQLite says: {line}"))
            found += _orphans(connection)
            for row in catalogue.all_rows(connection):
                try:
                    catalogue.checked(row)
                except Damaged as error:
                    found.append(Finding("row", str(row[0]), "", None, str(error)))
            select = f"{SELECT_DOCUMENTS} ORDER BY room, path"
            for row in connection.execute(select).fetchall():
                *columns, checksum = row
                document = DocumentRow(*columns)
                if document.checksum() != checksum:
                    name = str(document.room), str(document.path)
                    found.append(Finding("row", *name, None, "its row is not what was written"))
        except sqlite3.Error as error:
            text = f"the rest can't be read: {describe(error)}"
            found.append(Finding("file", "", "", None, text))
    return found


def check_rows(folder: Path, room: str, path: str) -> list[Finding]:
    """What is wrong in the rows of one document that is listed, as they are at one moment."""
    with closing(_connect(folder)) as connection:
        try:
            connection.execute("BEGIN")
            select = f"{SELECT_DOCUMENTS} WHERE room = ? AND path = ?"
            row = connection.execute(select, (room, path)).fetchone()
            if row is None or None in row:
                return []  # it was deleted meanwhile, or has no head, which the file's check says
            history = _check_history(connection, DocumentRow(*row[:-1]))
            return [Finding(kind, room, path, seq, text) for kind, seq, text in history]
        except sqlite3.Error as error:
            return [Finding("file", room, path, None, f"it can't be read: {describe(error)}")]


def _connect(folder: Path) -> sqlite3.Connection:
    return connect(f"{(folder.resolve() / 'syncroom.db').as_uri()}?mode=ro")


def _orphans(connection: sqlite3.Connection) -> Iterator[Finding]:
    for table in ("log", "heads", "bases", "traces", "schemas"):
        select = (
            f"SELECT document, count(*) FROM {table} "
            "WHERE document NOT IN (SELECT id FROM documents) GROUP BY document"
        )
        for document, count in connection.execute(select).fetchall():
            text = f"{count} rows in {table} belong to document {document}, which is not listed"
            yield Finding("orphan", "", "", None, text)
    select = """
        SELECT room, path, found - (last_seq - kept_seq) AS more
        FROM (SELECT document, count(*) AS found FROM log GROUP BY document)
        JOIN heads USING (document) JOIN documents ON id = document
        WHERE more > 0
    """
    for room, path, more in connection.execute(select).fetchall():
        yield Finding("orphan", room, path, None, f"{more} rows in log lead to no record of it")


def _check_history(
    connection: sqlite3.Connection, document: DocumentRow
) -> Iterator[tuple[str, int | None, str]]:
    expected = document.kept_seq + 1
    with closing(found_rows(connection, document)) as rows:
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
