"""
The bytes of a document: every accepted update, as one.

Answers to sync step 1 are made from these bytes, never from a live document, and are kept until
the next change: a crowd that comes back at once asks the same question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycrdt import merge_updates

from syncroom.document.sections import Sections
from syncroom.protocol import state_vector, varint
from syncroom.protocol.state_vector import CLOCK_MAX
from syncroom.protocol.varint import encode_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncroom.protocol.update import Keystroke, Update

EMPTY_UPDATE = b"\0\0"
EMPTY_VECTOR = b"\0"

_LOT = 100
"""Updates merged in one go: the native merge is quadratic beyond a few hundred."""


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

    def struct(self) -> tuple[int, int, int, list[bytes]]:
        """All of them as one struct: the client, the clock, the one after it, its bytes."""
        client, at = varint.decode(self._head, 2)
        _, at = varint.decode(self._head, at)
        return client, self._first, self.until, [self._head[at:] + encode_bytes(bytes(self._text))]

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

    __slots__ = (
        "_apart",
        "_sections",
        "_typing",
    )

    def __init__(self, base: Update | None = None) -> None:
        self._sections = Sections(base)
        self._apart: Sections | None = None
        """What is being compacted; it comes before all else."""
        self._typing: dict[bytes, Typing] = {}

    def append(self, update: Update) -> None:
        """Add a vetted update, which begins where the history of each of its clients ends."""
        if self._typing:
            for section in update.sections:
                self._end_typing(varint.encode(section.client))
        self._sections.add(update)

    def type(self, data: bytes, key: Keystroke) -> Typing:
        """Add a keystroke."""
        typing = self._typing.get(key[0])
        if typing is None or not typing.extend(key):
            self._end_typing(key[0])
            typing = self._typing[key[0]] = Typing(data, key)
        return typing

    def type_on(self, client: bytes, clock: int, data: bytes) -> Typing | None:
        """Add an update if it is the next letter that a client types, and has this clock."""
        typing = self._typing.get(client)
        if typing is None or typing.until != clock or not typing.take(data):
            return None
        return typing

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever added."""
        return not (self._sections or self._apart or self._typing)

    def merged(self) -> bytes:
        """The whole document as one update."""
        return self._whole().encode()

    def set_apart(self) -> None:
        """Keep what is here now apart from what comes, until `rejoin`."""
        self._end_all_typing()
        if self._apart is None:
            self._apart = Sections()
        self._apart.extend(self._sections)
        self._sections = Sections()

    def rejoin(self, base: Update | None) -> None:
        """Put what was set apart back, or in its place an update that does the same.

        That may hold some of what came since, too.
        """
        assert self._apart is not None
        self._end_all_typing()
        whole, rest = self._apart, self._sections
        if base is not None:
            whole = Sections(base)
            rest = rest.since({each.client: each.end for each in base.sections})
        whole.extend(rest)
        self._sections, self._apart = whole, None

    def since(self, vector: bytes, held: Mapping[int, int] | None = None) -> bytes:
        """What somebody lacks who holds what a vetted state vector says; it may be read already."""
        whole = self._whole()
        if vector == EMPTY_VECTOR:
            return whole.encode()
        return whole.encode_since(state_vector.decode(vector) if held is None else held)

    def _whole(self) -> Sections:
        self._end_all_typing()
        if self._apart is None:
            return self._sections
        whole = Sections()
        whole.extend(self._apart)
        whole.extend(self._sections)
        return whole

    def _end_typing(self, client: bytes) -> None:
        typing = self._typing.pop(client, None)
        if typing is not None:
            self._sections.add_struct(*typing.struct())

    def _end_all_typing(self) -> None:
        for client in list(self._typing):
            self._end_typing(client)
