"""
The bases of documents and the traces of records, as statements on an open transaction.

A document has at most two generations: the base with the records after it, and the one before,
whole: its base with the records since. So a base that can't be read costs nothing but time.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from syncroom.errors import Damaged, Malformed
from syncroom.store.records import INSERT_HEADS, drop_records, insert_rows, newest_rows
from syncroom.store.rows import blob_checksum, updates_bytes
from syncroom.store.schema import is_damage
from syncroom.store.traces import decode_traces

if TYPE_CHECKING:
    from syncroom.store.base import Generation, Trace
    from syncroom.store.rows import DocumentRow

log = logging.getLogger("syncroom.store")


def write_generation(
    connection: sqlite3.Connection, document: DocumentRow, generation: Generation
) -> bool:
    """Make a generation the newest one of a document; False if it was not made of what is there."""
    after, upto = generation.after_seq, generation.upto_seq
    is_next = after in (document.base_seq, document.kept_seq)
    if not is_next or not document.base_seq < upto <= document.last_seq:
        return False
    # The base that this one was made of stays. If it is not the newest, that one is damaged, and
    # the traces of the records since are here once more.
    outdated = (document.id, after)
    connection.execute("DELETE FROM bases WHERE document = ? AND seq != ?", outdated)
    connection.execute("DELETE FROM traces WHERE document = ? AND seq > ?", outdated)
    drop_records(connection, document, after)
    for table, blob in (("bases", generation.base), ("traces", generation.traces)):
        values = (document.id, upto, blob, blob_checksum(document, table, upto, blob))
        connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", values)
    later = sum(updates_bytes(row[-2]) for row in newest_rows(connection, document, upto))
    document.base_seq, document.kept_seq = upto, after
    document.stored_bytes = len(generation.base) + later
    insert_rows(connection, INSERT_HEADS, [document.head()])
    return True


def read_base(connection: sqlite3.Connection, document: DocumentRow) -> tuple[int, bytes]:
    """The newest base that is intact, and its number; raises `Damaged` if none is."""
    for seq in (document.base_seq, document.kept_seq):
        if seq == 0:
            return 0, b""
        try:
            return seq, read_blob(connection, document, "bases", seq)
        except Damaged as error:
            log.error("%s; the generation before it is used", error)
    raise Damaged(f"no base of {document.path!r} in room {document.room!r} can be read")


def read_traces(connection: sqlite3.Connection, document: DocumentRow) -> list[Trace]:
    """The traces of all records up to the base; raises `Damaged`."""
    traces: list[Trace] = []
    select = "SELECT seq FROM traces WHERE document = ? ORDER BY seq"
    for (seq,) in connection.execute(select, (document.id,)).fetchall():
        where = f"the traces up to {seq} of {document.path!r} in room {document.room!r}"
        try:
            traces += decode_traces(read_blob(connection, document, "traces", seq))
        except Malformed as error:
            raise Damaged(f"{where} are damaged: {error}") from error
        if len(traces) != seq:
            raise Damaged(f"{where} are {len(traces)}")
    if len(traces) != document.base_seq:
        raise Damaged(f"of {document.path!r} in room {document.room!r} traces are missing")
    return traces


def read_blob(connection: sqlite3.Connection, document: DocumentRow, table: str, seq: int) -> bytes:
    """The bytes in a row of ``bases``, ``traces`` or ``schemas``; raises `Damaged`."""
    where = f"number {seq} in {table} of {document.path!r} in room {document.room!r}"
    select = f"SELECT * FROM {table} WHERE document = ? AND seq = ?"
    try:
        row = connection.execute(select, (document.id, seq)).fetchone()
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        raise Damaged(f"{where} can't be read: {error}") from error
    if row is None:
        raise Damaged(f"{where} is missing")
    blob, checksum = row[2:]
    if not isinstance(blob, bytes) or blob_checksum(document, table, seq, blob) != checksum:
        raise Damaged(f"{where} is not what was written")
    return blob
