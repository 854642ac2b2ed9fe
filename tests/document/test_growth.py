"""When compacting a document is worth it."""

from __future__ import annotations

import pytest

from syncroom.document.growth import Growth
from syncroom.limits import Limits
from syncroom.store.base import Record, StoredDocument

LIMITS = Limits(compaction_records_min=100, compaction_bytes_min=100_000, compaction_growth_min=2.0)
RECORD_BYTES = 64


def growth(records: int, size: int, *, base: int = 0) -> Growth:
    made = Growth(LIMITS)
    record = Record(0, "", (), (b"x" * (size - RECORD_BYTES),))
    made.begin(StoredDocument("0" * 32, (record,) * records, b"x" * base, 1 if base else 0))
    return made


@pytest.mark.parametrize(
    ("records", "size", "base", "is_due", "is_due_at_rest"),
    [
        (99, 100, 0, False, True),
        (100, 100, 0, True, True),
        (9, 100, 0, False, False),
        (10, 100, 0, False, True),
        (1, 99_999, 0, False, True),
        (1, 100_000, 0, True, True),
        (1, 9_999, 0, False, False),
        (1, 10_000, 0, False, True),
        (100, 100, 5_000, True, True),
        (100, 100, 5_001, False, True),
        (100, 100, 50_000, False, True),
        (100, 100, 50_001, False, False),
    ],
)
def test_a_document_is_due_by_records_or_bytes_and_in_relation_to_its_base(
    records: int, size: int, base: int, is_due: bool, is_due_at_rest: bool
) -> None:
    made = growth(records, size, base=base)

    assert (made.is_due, made.is_due_at_rest) == (is_due, is_due_at_rest)


def test_what_is_being_compacted_is_not_due_again_at_once() -> None:
    made = growth(100, 100)

    made.restart()

    assert not made.is_due_at_rest


def test_growth_is_compared_with_the_new_base() -> None:
    made = growth(100, 100)

    made.rebase(5_001)

    assert not made.is_due
