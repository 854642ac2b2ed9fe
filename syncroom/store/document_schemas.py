"""
The schemas that documents follow, as statements on an open transaction.

A document has one at most, written once; its text is given back as it was taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.store.generations import read_blob
from syncroom.store.rows import blob_checksum

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from syncroom.store.rows import DocumentRow


def write_schemas(
    connection: sqlite3.Connection, schemas: Sequence[tuple[DocumentRow, str]]
) -> None:
    """Write schemas; one that a document has already stays."""
    insert = "INSERT INTO schemas VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    for document, schema in schemas:
        blob, seq = schema.encode(), document.last_seq
        checksum = blob_checksum(document, "schemas", seq, blob)
        connection.execute(insert, (document.id, seq, blob, checksum))


def read_schema(connection: sqlite3.Connection, document: DocumentRow) -> str:
    """The schema of a document, empty if it has none; raises `Damaged`."""
    select = "SELECT seq FROM schemas WHERE document = ?"
    row = connection.execute(select, (document.id,)).fetchone()
    if row is None:
        return ""
    return read_blob(connection, document, "schemas", row[0]).decode()
