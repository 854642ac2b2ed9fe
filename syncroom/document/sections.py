"""
A document as one update taken apart, so that what follows is added at the ends, and what somebody
lacks is cut off, in bytes.

An update holds the structs of each client in order, and then what is deleted of each. What is
accepted begins where its client's history ends, so nothing has to be read again to add it. To cut
a history where somebody's knowledge of it ends, only the structs around that place are read.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from pycrdt import get_update

from syncroom.protocol import state_vector
from syncroom.protocol.varint import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from syncroom.protocol import update as vetted
    from syncroom.protocol.update import Update

_STRIDE = 256
"""Structs between two marks, or a few more: so many are read to cut a history."""

_FEW, _CUT = 64, 50
"""More histories than a few are cut by native code, all at once, unless it would have to read more
than so many structs for each: that takes as long as one cut, 40 us."""


class Mark(NamedTuple):
    """Where a struct begins."""

    clock: int
    structs: int
    """Before it."""
    offset: int
    """The bytes before it."""

    def behind(self, structs: int, offset: int) -> Mark:
        """The same struct, behind so many others."""
        return Mark(self.clock, self.structs + structs, self.offset + offset)


_clock_of = itemgetter(0)


class Pieces:
    """So many of something of one client, in pieces."""

    __slots__ = ("_head", "client", "count", "pieces", "size")

    def __init__(self, client: int) -> None:
        self.client = client
        self.count = 0
        self.size = 0
        """In bytes."""
        self.pieces: list[bytes] = []
        self._head: bytes | None = None

    def add(self, count: int, pieces: Iterable[bytes]) -> None:
        """Add so many at the end."""
        self.count += count
        for piece in pieces:
            self.pieces.append(piece)
            self.size += len(piece)
        self._head = None

    def encode(self) -> tuple[bytes, bytes]:
        """What an update says of them first, and all pieces, from now on in one."""
        if self._head is None:
            self._head = self._encode_head()
            self.pieces = [b"".join(self.pieces)]
        return self._head, self.pieces[0]

    def _encode_head(self) -> bytes:
        return encode(self.client) + encode(self.count)


class Section(Pieces):
    """The structs of one client, which follow each other without a hole.

    Args:
        client: the client.
        first: the clock of the first struct.
    """

    __slots__ = ("end", "first", "marks")

    def __init__(self, client: int, first: int) -> None:
        super().__init__(client)
        self.first = first
        self.end = first
        """The clock after the last unit."""
        self.marks: list[Mark] = []

    def extend(
        self, end: int, count: int, pieces: Iterable[bytes], marks: Sequence[Mark] = ()
    ) -> None:
        """Add so many structs that get to a clock, with marks that count from the first of them."""
        last = self.marks[-1].structs if self.marks else 0
        if self.count - last >= _STRIDE:
            self.marks.append(Mark(self.end, self.count, self.size))
        if marks:
            self.marks += [mark.behind(self.count, self.size) for mark in marks]
        self.add(count, pieces)
        self.end = end

    def since(self, clock: int) -> Section:
        """What somebody lacks who holds what is before a clock in its midst."""
        _, data = self.encode()
        at = bisect_right(self.marks, clock, key=_clock_of)
        start = self.marks[at - 1] if at else Mark(self.first, 0, 0)
        later = [*self.marks[at:], Mark(self.end, self.count, self.size)]
        stop = later[0]
        head = map(encode, (1, stop.structs - start.structs, self.client, start.clock))
        around = b"".join((*head, data[start.offset : stop.offset], b"\0"))
        cut = get_update(around, state_vector.encode({self.client: clock}))
        count, begin = decode(cut, 1)
        for _ in range(2):
            _, begin = decode(cut, begin)  # the client and the clock are known
        rest = Section(self.client, clock)
        rest.extend(stop.clock, count, [cut[begin:-1]])
        marks = [mark.behind(-stop.structs, -stop.offset) for mark in later[:-1]]
        rest.extend(self.end, self.count - stop.structs, [data[stop.offset :]], marks)
        return rest

    def _encode_head(self) -> bytes:
        return encode(self.count) + encode(self.client) + encode(self.first)


class Sections:
    """What a document holds of each client, and what is deleted of it."""

    def __init__(self, update: Update | None = None) -> None:
        self._structs: dict[int, Section] = {}
        self._deletes: dict[int, Pieces] = {}
        if update is not None:
            self.add(update)

    def __bool__(self) -> bool:
        return bool(self._structs or self._deletes)

    def add(self, update: Update) -> None:
        """Add a vetted update that begins where the history of each of its clients ends here."""
        for section in update.sections:
            structs = update.data[section.offsets[0] : section.offsets[-1]]
            count = len(section.clocks) - 1
            marks = _marks(section) if count > _STRIDE else ()
            here = self._section(section.client, section.first)
            here.extend(section.end, count, (structs,), marks)
        for client, first, end in update.deletes:
            self._deleted(client).add(1, (encode(first) + encode(end - first),))

    def add_struct(self, client: int, clock: int, end: int, pieces: list[bytes]) -> None:
        """Add one struct of a client."""
        self._section(client, clock).extend(end, 1, pieces)

    def extend(self, later: Sections) -> None:
        """Add all that came later."""
        for client, structs in later._structs.items():
            here = self._section(client, structs.first)
            here.extend(structs.end, structs.count, structs.pieces, structs.marks)
        for client, deleted in later._deletes.items():
            self._deleted(client).add(deleted.count, deleted.pieces)

    def since(self, vector: Mapping[int, int]) -> Sections:
        """What somebody lacks who holds what a state vector says; all that is deleted is in it."""
        rest = Sections()
        rest._deletes = self._deletes
        for client, section in self._structs.items():
            clock = vector.get(client, 0)
            if clock <= section.first:
                rest._structs[client] = section
            elif clock < section.end:
                rest._structs[client] = section.since(clock)
        return rest

    def encode_since(self, vector: Mapping[int, int]) -> bytes:
        """The same as one update."""
        structs = self._structs
        cuts = sum(
            section.first < vector.get(client, 0) < section.end
            for client, section in structs.items()
        )
        if cuts > _FEW and sum(each.count for each in structs.values()) < _CUT * cuts:
            return get_update(self.encode(), state_vector.encode(vector))
        return self.since(vector).encode()

    def encode(self) -> bytes:
        """All of it as one update, clients in descending order as Yjs writes them."""
        parts = [encode(len(self._structs))]
        for _, section in sorted(self._structs.items(), reverse=True):
            parts += section.encode()
        parts.append(encode(len(self._deletes)))
        for _, deleted in sorted(self._deletes.items(), reverse=True):
            parts += deleted.encode()
        return b"".join(parts)

    def _section(self, client: int, first: int) -> Section:
        if client not in self._structs:
            self._structs[client] = Section(client, first)
        return self._structs[client]

    def _deleted(self, client: int) -> Pieces:
        if client not in self._deletes:
            self._deletes[client] = Pieces(client)
        return self._deletes[client]


def _marks(section: vetted.Section) -> list[Mark]:
    begin = section.offsets[0]
    return [
        Mark(section.clocks[at], at, section.offsets[at] - begin)
        for at in range(_STRIDE, len(section.clocks) - 1, _STRIDE)
    ]
