"""
The records of documents, as statements on an open transaction.

They are found from the newest on: the head of a document names its row, and each record the row of
the one before it.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from syncroom.errors import Damaged
from syncroom.store.rows import decode_log_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from syncroom.store.base import Record
    from syncroom.store.rows import DocumentRow, HeadRow, LogRow

INSERT_LOG = "INSERT INTO log VALUES "
INSERT_HEADS = "INSERT OR REPLACE INTO heads VALUES "

ROWS_MAX = 64
"""Rows in one INSERT. Each statement hands the interpreter's lock over twice, so many rows are
better than one; old builds of SQLite take no more than 999 values."""

SMALL_BYTES_MAX = 16 << 10
"""Larger records are inserted one by one, since SQLite copies all values before it begins."""

# A row before another has a lower number: whatever is damaged, this comes to an end.
_CHAIN = """
    WITH RECURSIVE chain(at) AS (
        SELECT ?
        UNION ALL
        SELECT previous FROM chain JOIN log ON id = at WHERE previous < id
        LIMIT ?
    )
"""


def insert_records(connection: sqlite3.Connection, rows: list[LogRow]) -> None:
    """Write records, each numbered by hand."""
    insert_rows(connection, INSERT_LOG, [row for row in rows if len(row[-2]) <= SMALL_BYTES_MAX])
    for row in rows:
        if len(row[-2]) > SMALL_BYTES_MAX:
            insert_rows(connection, INSERT_LOG, [row])


def insert_rows(
    connection: sqlite3.Connection, insert: str, rows: Sequence[LogRow | HeadRow]
) -> None:
    """Write some rows of one table."""
    at = 0
    while at < len(rows):
        # Powers of two, so that few different statements are compiled.
        count = min(ROWS_MAX, 1 << (len(rows) - at).bit_length() - 1)
        marks = "(" + ",".join("?" * len(rows[at])) + ")"
        values = list(chain.from_iterable(rows[at : at + count]))
        connection.execute(insert + ",".join([marks] * count), values)
        at += count


def newest_rows(
    connection: sqlite3.Connection, document: DocumentRow, after: int
) -> Iterator[tuple[Any, ...]]:
    """The rows of the records after a number, the newest first, as far as one leads to another."""
    select = f"{_CHAIN} SELECT log.* FROM chain JOIN log ON id = at"
    yield from connection.execute(select, (document.last_row, document.last_seq - after))


def found_rows(connection: sqlite3.Connection, document: DocumentRow) -> sqlite3.Cursor:
    """What there is of a document in the log, in order, from ``seq`` on; for who looks for damage.

    Where one record does not lead to another the whole log is looked through.
    """
    columns = "SELECT seq, time_ms, participant, clients, updates, checksum"
    head = document.last_row, document.last_seq - document.kept_seq
    count = f"{_CHAIN} SELECT count(*) FROM chain JOIN log ON id = at WHERE document = ?"
    (found,) = connection.execute(count, (*head, document.id)).fetchone()
    if found == head[1]:
        select = f"{_CHAIN} {columns} FROM chain JOIN log ON id = at ORDER BY seq"
        return connection.execute(select, head)
    select = f"{columns} FROM log WHERE document = ? AND seq > ? ORDER BY seq"
    return connection.execute(select, (document.id, document.kept_seq))


def read_records(
    connection: sqlite3.Connection, document: DocumentRow, after: int
) -> tuple[Record, ...]:
    """The records after a number; raises `Damaged`."""
    records = []
    seq = document.last_seq
    try:
        for _, _, owner, found, *columns in newest_rows(connection, document, after):
            if (owner, found) != (document.id, seq):
                raise Damaged(f"number {found} of document {owner} stands in its place")
            records.append(decode_log_row(document.incarnation, seq, *columns))
            seq -= 1
        if seq > after:
            raise Damaged("it is missing")
    except Damaged as error:
        where = f"record {seq} of {document.path!r} in room {document.room!r}"
        raise Damaged(f"{where} is damaged: {error}") from error
    records.reverse()
    return tuple(records)


def drop_records(connection: sqlite3.Connection, document: DocumentRow, upto: int) -> None:
    """Take away the records of a document up to a number."""
    delete = f"{_CHAIN} DELETE FROM log WHERE id IN chain AND document = ? AND seq <= ?"
    count = document.last_seq - document.kept_seq
    connection.execute(delete, (document.last_row, count, document.id, upto))


def delete_records(connection: sqlite3.Connection, document: int) -> None:
    """Take all records of a document away, also where one does not lead to another any more."""
    select = "SELECT last_row, last_seq - kept_seq FROM heads WHERE document = ?"
    head = connection.execute(select, (document,)).fetchone()
    if head is not None:
        last_row, count = head
        delete = f"{_CHAIN} DELETE FROM log WHERE id IN chain AND document = ?"
        if connection.execute(delete, (last_row, -1, document)).rowcount == count:
            return
    connection.execute("DELETE FROM log WHERE document = ?", (document,))
