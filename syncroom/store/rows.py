"""
How a record and a document become rows of a table, and back, each with a checksum.

A row that comes back altered, cut or under another document or number raises `Damaged`, never a
record that nobody wrote. The checksum is a CRC-32: it finds what disks and cables do, every single
flipped bit among it, and is no defence against a person who may write to the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from zlib import crc32

from syncroom.errors import Damaged, Malformed
from syncroom.protocol import varint
from syncroom.store.base import Record

_encode_client = lru_cache(10_000)(varint.encode)
"""The same few come again and again."""

LogRow: TypeAlias = tuple[int, int, int, int, int, str, bytes, bytes, int]
"""id, previous, document, seq, time_ms, participant, clients, updates, checksum"""

HeadRow: TypeAlias = tuple[int, int, int, int, int, int, int, int]
"""document, changed_ms, last_seq, last_row, stored_bytes, base_seq, kept_seq, checksum"""


@dataclass(slots=True)
class DocumentRow:
    """What is known of a document without reading its log."""

    id: int
    room: str
    path: str
    incarnation: str
    created_ms: int
    changed_ms: int
    last_seq: int
    """The number of the newest record; records count from 1 without gaps."""
    stored_bytes: int
    base_seq: int = 0
    """The number of the last record that the base stands for; 0 while there is none."""
    kept_seq: int = 0
    """The same of the base before; the records after it are kept whole."""
    last_row: int = 0
    """Where the newest record stands in the log; 0 while there is none."""

    def head(self) -> HeadRow:
        """What changes of it with each record."""
        return (
            self.id,
            self.changed_ms,
            self.last_seq,
            self.last_row,
            self.stored_bytes,
            self.base_seq,
            self.kept_seq,
            self.checksum(),
        )

    def checksum(self) -> int:
        """Over all but where the newest record stands, which the record itself tells.

        A document found under another name is noticed too.
        """
        return crc32(
            (
                f"{self.id}:{self.created_ms}:{self.changed_ms}:{self.last_seq}:{self.stored_bytes}"
                f":{self.base_seq}:{self.kept_seq}"
                f":{self.incarnation}:{len(self.room)}:{self.room}{self.path}"
            ).encode()
        )


def blob_checksum(document: DocumentRow, table: str, seq: int, blob: bytes) -> int:
    """The checksum of a base or of traces: over what it is, whose, and where it stands."""
    return crc32(blob, crc32(f"{table}:{document.incarnation}:{seq}".encode()))


def updates_bytes(updates: bytes) -> int:
    """The sum of the updates in a column; raises `Malformed`."""
    return sum(map(len, _split_bytes(updates)))


def encode_log_row(id: int, document: DocumentRow, record: Record) -> LogRow:
    """The row of a document's next record; raises `ValueError` for text that is not Unicode."""
    clients = b"".join(map(_encode_client, record.clients))
    updates = b"".join(map(varint.encode_bytes, record.updates))
    seq = document.last_seq + 1
    time_ms, participant = record.time_ms, record.participant
    checksum = _checksum(document.incarnation, seq, time_ms, participant, clients, updates)
    previous = document.last_row
    return id, previous, document.id, seq, time_ms, participant, clients, updates, checksum


def decode_log_row(
    incarnation: str,
    seq: int,
    time_ms: int,
    participant: str,
    clients: bytes,
    updates: bytes,
    checksum: int,
) -> Record:
    """The record in a row, given the document and the number it must have; raises `Damaged`."""
    # A flipped bit can change the type of a column, whatever the annotations say.
    types_fit = (
        isinstance(time_ms, int)
        and isinstance(participant, str)
        and isinstance(clients, bytes)
        and isinstance(updates, bytes)
    )
    if not types_fit:
        raise Damaged("a column has a type that was never written")
    found = _checksum(incarnation, seq, time_ms, participant, clients, updates)
    if found != checksum:
        raise Damaged(f"its checksum is {found}, {checksum!r} was written")
    try:
        return Record(
            time_ms, participant, tuple(varint.decode_all(clients)), _split_bytes(updates)
        )
    except Malformed as error:
        raise Damaged(f"its checksum is right and its form is not: {error}") from error


def _checksum(
    incarnation: str, seq: int, time_ms: int, participant: str, clients: bytes, updates: bytes
) -> int:
    # The lengths keep bytes from passing between the fields; the updates, which may be megabytes,
    # are not copied.
    head = f"{incarnation}:{seq}:{time_ms}:{len(participant)}:{len(clients)}:{participant}"
    return crc32(updates, crc32(clients, crc32(head.encode())))


def _split_bytes(data: bytes) -> tuple[bytes, ...]:
    parts = []
    at = 0
    while at < len(data):
        part, at = varint.decode_bytes(data, at)
        parts.append(part)
    return tuple(parts)
