"""
The bytes of a document: every accepted update, merged as far as it was worth it so far.

Answers to sync step 1 are made from these bytes, never from a live document, and are kept until
the next change: a crowd that comes back at once asks the same question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycrdt import get_update, merge_updates

from syncroom.protocol.varint import encode_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncroom.protocol.update import Keystroke

EMPTY_UPDATE = b"\0\0"
EMPTY_VECTOR = b"\0"

_LOT = 100
"""Updates merged in one go: the native merge is quadratic beyond a few hundred."""


_TAIL_MAX = 1000
"""Updates kept apart: each costs 60 bytes beside its own, and 1.3 us to merge in lots."""


def merge(updates: Sequence[bytes]) -> bytes:
    """One update that does what all of them do."""
    while len(updates) > 1:
        lots = [updates[at : at + _LOT] for at in range(0, len(updates), _LOT)]
        updates = [merge_updates(*lot) if len(lot) > 1 else lot[0] for lot in lots]
    return updates[0] if updates else EMPTY_UPDATE


class Typing:
    """Keystrokes of one client that go on where the last one ended: one struct, as in Yjs.

    Args:
        data: the update of the first keystroke.
        key: the same, recognised.
    """

    __slots__ = ("_head", "_right", "_texts", "_until")

    def __init__(self, data: bytes, key: Keystroke) -> None:
        self._head = data[: -len(key.text) - 2]
        self._texts = [key.text]
        self._until = key.clock + len(key.text)
        self._right = key.right, key.right_clock

    def extend(self, key: Keystroke) -> bool:
        """Take in a keystroke of the same client, if it continues this struct."""
        client, clock, left, left_clock, right, right_clock, text = key
        if clock != self._until or left_clock != clock - 1 or left != client:
            return False
        if (right, right_clock) != self._right:
            return False
        self._texts.append(text)
        self._until += len(text)
        return True

    def encode(self) -> bytes:
        """The update that does what all of them do."""
        return self._head + encode_bytes(b"".join(self._texts)) + b"\0"


class UpdateLog:
    """The updates of one document, in memory."""

    def __init__(self, base: bytes = EMPTY_UPDATE) -> None:
        self._apart: list[bytes] = []
        """What is being compacted; it comes before all else."""
        self._merged = [base] if base != EMPTY_UPDATE else []
        self._tail: list[bytes] = []
        self._typing: dict[bytes, Typing] = {}
        self._whole: bytes | None = None
        """All of it, until the next change."""

    def append(self, data: bytes) -> None:
        """Add a vetted update. Nothing native runs here, so nothing is taken by halves."""
        self._whole = None
        self._tail.append(data)

    def type(self, data: bytes, key: Keystroke) -> None:
        """Add a keystroke. Merging is blind to order, so it may join what came before others."""
        self._whole = None
        typing = self._typing.get(key[0])
        if typing is None or not typing.extend(key):
            if typing is not None:
                self.append(typing.encode())
            self._typing[key[0]] = Typing(data, key)

    def shorten(self) -> None:
        """Merge the updates that are kept apart, once they are many."""
        if len(self._tail) > _TAIL_MAX:
            self._merged.append(merge(self._tail))
            self._tail = []

    def merged(self) -> bytes:
        """The whole document as one update."""
        if self._whole is None:
            self._end_typing()
            if self._tail or len(self._merged) > 1:
                self._merged = [merge([*self._merged, merge(self._tail)])]
                self._tail = []
            if len(self._apart) > 1:
                self._apart = [merge(self._apart)]
            self._whole = merge([*self._apart, *self._merged])
        return self._whole

    def set_apart(self) -> None:
        """Keep what is here now apart from what comes, until `rejoin`."""
        self._end_typing()
        self._apart += [*self._merged, *self._tail]
        self._merged, self._tail = [], []

    def rejoin(self, base: bytes | None) -> None:
        """Put what was set apart back, or in its place an update that does the same."""
        self._merged = [*(self._apart if base is None else [base]), *self._merged]
        self._apart = []
        self._whole = None

    def _end_typing(self) -> None:
        self._tail += [typing.encode() for typing in self._typing.values()]
        self._typing.clear()

    def since(self, vector: bytes) -> bytes:
        """What somebody lacks who holds what a vetted state vector says."""
        merged = self.merged()
        return merged if vector == EMPTY_VECTOR else get_update(merged, vector)
