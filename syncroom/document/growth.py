"""How much a document has grown since it was compacted, and whether doing it again is worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncroom.limits import Limits
    from syncroom.store.base import Record, StoredDocument

_RECORD_BYTES = 64
"""What a record takes on disk beside its updates."""

_AT_REST = 10
"""At rest a tenth is enough: nobody waits for it, and whoever opens the document next gains."""


class Growth:
    """Counts the records of one document."""

    __slots__ = (
        "_base_bytes",
        "_bytes",
        "_bytes_min",
        "_growth_min",
        "_records",
        "_records_min",
    )

    def __init__(self, limits: Limits) -> None:
        self._records_min = limits.compaction_records_min
        self._bytes_min = limits.compaction_bytes_min
        self._growth_min = limits.compaction_growth_min
        self._base_bytes = 0
        self._records = 0
        self._bytes = 0

    def begin(self, stored: StoredDocument) -> None:
        """Count what a document was loaded with."""
        self._base_bytes = len(stored.base)
        for record in stored.records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Count a record."""
        self._records += 1
        self._bytes += sum(map(len, record.updates)) + _RECORD_BYTES

    def restart(self) -> None:
        """Count from zero: it is being compacted. Where that fails, it is not due again at once."""
        self._records = self._bytes = 0

    def rebase(self, base_bytes: int) -> None:
        """Compare with the base that it has now."""
        self._base_bytes = base_bytes

    @property
    def is_due(self) -> bool:
        """Whether a document that is open should be compacted."""
        return self._is_due(1)

    @property
    def is_due_at_rest(self) -> bool:
        """Whether a document that nobody has open any more should be."""
        return self._is_due(_AT_REST)

    def _is_due(self, part: int) -> bool:
        records, size = self._records * part, self._bytes * part
        if records < self._records_min and size < self._bytes_min:
            return False
        return size >= self._base_bytes * self._growth_min
