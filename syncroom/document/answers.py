"""
What newcomers to a document were answered, until it changes: a crowd that comes back asks alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.document.log import UpdateLog
    from syncroom.document.peer import Wire

_ANSWER_BYTES = 300
"""What keeping one answer takes beside the question and the answer."""


class Answers:
    """Those of one document, as they are sent.

    Args:
        bytes_max: as many are kept, and one more.
    """

    __slots__ = (
        "_bytes",
        "_bytes_max",
        "_kept",
    )

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept: dict[tuple[Wire, bytes], bytes] = {}
        self._bytes = 0

    def give(
        self, wire: Wire, vector: bytes, held: Mapping[int, int] | None, log: UpdateLog
    ) -> bytes:
        """What somebody lacks of a log who holds what a state vector says."""
        key = wire, vector
        if key not in self._kept:
            if self._bytes > self._bytes_max:
                self.forget()
            self._kept[key] = wire.answer(log.since(vector, held))
            self._bytes += len(vector) + len(self._kept[key]) + _ANSWER_BYTES
        return self._kept[key]

    def forget(self) -> None:
        """Keep none: the document has changed."""
        if self._kept:
            self._kept.clear()
            self._bytes = 0
