"""Records and documents as rows: they come back as they were, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syncroom.errors import Damaged
from syncroom.protocol.varint import NUMBER_MAX
from syncroom.store.base import Record
from syncroom.store.rows import DocumentRow, _checksum, decode_log_row, encode_log_row
from tests.store.files import flip

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)

RECORDS = st.builds(
    Record,
    time_ms=st.integers(0, 2**42),
    participant=TEXT,
    clients=st.lists(st.integers(0, NUMBER_MAX), max_size=5).map(tuple),
    updates=st.lists(st.binary(max_size=300), min_size=1, max_size=5).map(tuple),
)

DOCUMENTS = st.builds(
    DocumentRow,
    id=st.integers(1, 2**40),
    room=TEXT,
    path=TEXT,
    incarnation=st.from_regex("[0-9a-f]{32}", fullmatch=True),
    created_ms=st.integers(0, 2**42),
    changed_ms=st.integers(0, 2**42),
    last_seq=st.integers(0, 2**32),
    stored_bytes=st.integers(0, 2**40),
    last_row=st.integers(0, 2**40),
)


@given(DOCUMENTS, RECORDS)
def test_a_record_comes_back_as_it_was(document: DocumentRow, record: Record) -> None:
    row = encode_log_row(5, document, record)

    assert row[:4] == (5, document.last_row, document.id, document.last_seq + 1)
    assert decode_log_row(document.incarnation, *row[3:]) == record


@given(DOCUMENTS, RECORDS, st.integers(0, 6), st.integers(0))
def test_one_flipped_bit_anywhere_in_a_row_is_damage(
    document: DocumentRow, record: Record, column: int, bit: int
) -> None:
    values = encode_log_row(1, document, record)
    columns: list[Any] = [document.incarnation, *values[3:]]
    assume(columns[column] not in ("", b""))
    columns[column] = flip(columns[column], bit)

    with pytest.raises(Damaged, match="checksum"):
        decode_log_row(*columns)


@given(DOCUMENTS, RECORDS, st.integers(1, 1000))
def test_updates_that_end_early_are_damage(
    document: DocumentRow, record: Record, missing: int
) -> None:
    row = encode_log_row(1, document, record)
    seq, time_ms, participant, clients, updates, checksum = row[3:]
    cut = updates[: max(0, len(updates) - missing)]

    with pytest.raises(Damaged):
        decode_log_row(document.incarnation, seq, time_ms, participant, clients, cut, checksum)


@pytest.mark.parametrize("other", [None, 1.5, "text", b"bytes", 7])
@pytest.mark.parametrize("column", range(1, 7))
def test_a_column_of_another_type_is_damage(column: int, other: Any) -> None:
    document = DocumentRow(1, "demo", "notes.md", "0" * 32, 1, 1, 0, 0)
    values = encode_log_row(1, document, Record(1, "ada", (1,), (b"update",)))
    columns: list[Any] = [document.incarnation, *values[3:]]
    columns[column] = other

    with pytest.raises(Damaged):
        decode_log_row(*columns)


def test_bytes_that_pass_from_one_column_to_the_next_are_damage() -> None:
    document = DocumentRow(1, "demo", "notes.md", "0" * 32, 1, 1, 0, 0)
    row = encode_log_row(1, document, Record(1, "ada", (1, 2), (b"",)))
    seq, time_ms, participant, clients, updates, checksum = row[3:]
    moved = (clients[:1], clients[1:] + updates)

    with pytest.raises(Damaged, match="checksum"):
        decode_log_row(document.incarnation, seq, time_ms, participant, *moved, checksum)


def test_a_right_checksum_over_bytes_that_no_record_makes_is_damage() -> None:
    checksum = _checksum("0" * 32, 1, 1, "ada", b"", b"\x05cut")

    with pytest.raises(Damaged, match="form"):
        decode_log_row("0" * 32, 1, 1, "ada", b"", b"\x05cut", checksum)


def test_text_that_is_no_unicode_is_refused() -> None:
    document = DocumentRow(1, "demo", "notes.md", "0" * 32, 1, 1, 0, 0)

    with pytest.raises(ValueError, match="surrogates"):
        encode_log_row(1, document, Record(1, "\ud800", (), (b"update",)))


CHANGES: list[Callable[[DocumentRow], DocumentRow]] = [
    lambda row: replace(row, id=row.id + 1),
    lambda row: replace(row, room=row.room + "x"),
    lambda row: replace(row, path=row.path + "x"),
    lambda row: replace(row, room=row.room + row.path[:1], path=row.path[1:]),
    lambda row: replace(row, incarnation=row.incarnation[::-1]),
    lambda row: replace(row, created_ms=row.created_ms ^ 1),
    lambda row: replace(row, changed_ms=row.changed_ms ^ 1),
    lambda row: replace(row, last_seq=row.last_seq ^ 1),
    lambda row: replace(row, stored_bytes=row.stored_bytes ^ 1),
]


@given(DOCUMENTS, st.sampled_from(CHANGES))
def test_every_column_of_a_document_changes_its_checksum(
    document: DocumentRow, change: Callable[[DocumentRow], DocumentRow]
) -> None:
    changed = change(document)
    assume(changed != document)

    assert changed.checksum() != document.checksum()
    assert document.head()[-1] == document.checksum()
