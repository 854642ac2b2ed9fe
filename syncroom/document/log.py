"""
The bytes of a document: every accepted update, merged as far as it was worth it so far.

Answers to sync step 1 are made from these bytes, never from a live document, and are kept until
the next change: a crowd that comes back at once asks the same question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycrdt import get_update, merge_updates

from syncroom.protocol import varint
from syncroom.protocol.state_vector import CLOCK_MAX
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


_LETTERS = frozenset(bytes((letter, 0)) for letter in range(1, 128))
"""How the update of a keystroke ends: one letter, and no deletions."""


class Typing:
    """Keystrokes of one client that go on where the last one ended: one struct, as in Yjs.

    The bytes of the next one are known before it comes, but for its letter.

    Args:
        data: the update of the first keystroke.
        key: the same, recognised.
    """

    __slots__ = (
        "_client",
        "_clock",
        "_first",
        "_head",
        "_left",
        "_next",
        "_right",
        "_text",
        "until",
    )

    def __init__(self, data: bytes, key: Keystroke) -> None:
        client, clock, _, _, right, right_clock, text = key
        self.until = clock + len(text)
        """The clock after the last letter."""
        self._first = clock
        self._head = data[: -len(text) - 2]
        self._text = bytearray(text)
        self._client = b"\1\1" + client
        self._left = (b"\x84" if right is None else b"\xc4") + client
        self._right = b"" if right is None else right + varint.encode(right_clock)
        self._clock = varint.encode(self.until - 1)
        self._predict()

    def take(self, data: bytes) -> bool:
        """Take in an update if it is the next letter."""
        if data[:-2] != self._next or data[-2:] not in _LETTERS:
            return False
        self._text.append(data[-2])
        self.until += 1
        self._predict()
        return True

    def extend(self, key: Keystroke) -> bool:
        """Take in a keystroke of the same client, if it continues this struct."""
        _, clock, left, left_clock, right, right_clock, text = key
        if clock != self.until or left_clock != clock - 1 or left != self._left[1:]:
            return False
        if self._right != (b"" if right is None else right + varint.encode(right_clock)):
            return False
        self._text += text
        self.until += len(text)
        self._clock = varint.encode(self.until - 1)
        self._predict()
        return True

    def encode(self) -> bytes:
        """The update that does what all of them do."""
        return self.between(self._first, self.until)

    def between(self, clock: int, until: int) -> bytes:
        """The update that does what those do that came from one clock to another."""
        text = bytes(self._text[clock - self._first : until - self._first])
        head = self._head
        if clock > self._first:
            clocks = varint.encode(clock), varint.encode(clock - 1)
            head = self._client + clocks[0] + self._left + clocks[1] + self._right
        return head + encode_bytes(text) + b"\0"

    def _predict(self) -> None:
        before, self._clock = self._clock, varint.encode(self.until)
        head = self._client + self._clock + self._left + before + self._right + b"\1"
        self._next = head if self.until < CLOCK_MAX else None


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

    def type(self, data: bytes, key: Keystroke) -> Typing:
        """Add a keystroke. Merging is blind to order, so it may join what came before others."""
        self._whole = None
        typing = self._typing.get(key[0])
        if typing is None or not typing.extend(key):
            if typing is not None:
                self.append(typing.encode())
            typing = self._typing[key[0]] = Typing(data, key)
        return typing

    def type_on(self, client: bytes, clock: int, data: bytes) -> Typing | None:
        """Add an update if it is the next letter that a client types, and has this clock."""
        typing = self._typing.get(client)
        if typing is None or typing.until != clock or not typing.take(data):
            return None
        self._whole = None
        return typing

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
