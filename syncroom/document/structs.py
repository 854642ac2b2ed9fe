"""
The structs of a whole document as columns of numbers: a million fit into a hundred megabytes.

Each unit of each client has one number here, and units of one client that follow each other have
numbers that follow each other. Made from an update that `read_update` vetted; what is not whole,
or refers to itself, is `Malformed`.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from typing import NamedTuple

from syncroom.errors import Malformed
from syncroom.protocol import varint
from syncroom.protocol.update import ANY, GC, SKIP, STRING, Range, Section, Update
from syncroom.protocol.value import skip_any

CLOCK_BITS = 31
NOTHING = -1
"""Instead of a unit: there is none."""

_DEPTH_MAX = 1 << 20
"""Values were vetted already."""


class Place(NamedTuple):
    """The list, or the key of a map, that items stand in."""

    root: bytes
    """The name of the root type, where it is one."""
    parent: int
    """The unit of the type, where it is none."""
    key: bytes | None


_UNKNOWN = 2
_NEVER = 1 << 63

GONE = 0
"""The place of what nothing is left of: it refers to what was collected."""


class Structs:
    """All structs of a document, by position: clients ascending, then clocks.

    Raises:
        Malformed: something is missing, or structs build on each other in a circle.
    """

    def __init__(self, update: Update) -> None:
        self.data = update.data
        sections = sorted(update.sections, key=lambda section: section.client)
        self.clients = [section.client for section in sections]
        self.ends = [self.number(at, section.end) for at, section in enumerate(sections)]
        """The number after the last unit of each client."""
        self._index = {client: at for at, client in enumerate(self.clients)}
        self.starts, self.stops = array("q"), array("q")
        self.kinds = bytearray()
        self.origins, self.rights = array("q"), array("q")
        self.heads, self.contents, self.limits = array("q"), array("q"), array("q")
        """Where in the bytes a struct begins, its content begins, and it ends."""
        self._parents: list[tuple[int, Place]] = []
        for at, section in enumerate(sections):
            self._read_section(at, section)
        self.deletes = self._numbered(update.deletes)
        """The delete set as it came."""
        self.deleted = _join(self.deletes + self._numbered(update.gone))
        """First and last-but-one numbers of what is deleted, in two sorted columns."""
        self.places: list[Place] = [Place(b"", NOTHING, None)]
        self.place = array("q", [NOTHING]) * len(self.starts)
        """For each struct, the position of its place."""
        self._has_collected = GC in self.kinds
        self._find_places()
        self._is_gone = self._find_gone()
        self.cuts = self._find_cuts()
        """The second halves of characters that something comes between or ends between."""
        self._cached = NOTHING
        self._cache: bytes | list[int] = b""

    def number(self, index: int, clock: int) -> int:
        """The number of a unit of the client at a position."""
        return index << CLOCK_BITS | clock

    def unit(self, number: int) -> tuple[int, int]:
        """Client and clock of a numbered unit."""
        return self.clients[number >> CLOCK_BITS], number & (1 << CLOCK_BITS) - 1

    def find(self, number: int) -> int:
        """The position of the struct that holds a unit."""
        return bisect_right(self.starts, number) - 1

    def is_deleted(self, number: int) -> bool:
        """Whether a unit is named in the delete set, or came without its content."""
        starts, ends = self.deleted
        at = bisect_right(starts, number) - 1
        return at >= 0 and number < ends[at]

    def is_all_deleted(self, at: int) -> bool:
        """Whether nothing is left of a struct."""
        first = self.starts[at]
        return self.is_deleted(first) and self.border(first) >= self.stops[at]

    def border(self, number: int) -> int:
        """The next unit that is deleted if this one is not, or the other way round, or that is
        the second half of a character with something that begins or ends before it."""
        starts, ends = self.deleted
        at = bisect_right(ends, number)
        change = _NEVER
        if at < len(ends):
            change = ends[at] if starts[at] <= number else starts[at]
        if not self.cuts:
            return change
        at = bisect_right(self.cuts, number)
        return min(change, self.cuts[at]) if at < len(self.cuts) else change

    def is_gone(self, at: int) -> bool:
        """Whether a struct lies in a deleted type, or was collected already."""
        return self.kinds[at] == GC or self._is_gone[self.place[at]] == 1

    def origin(self, at: int, first: int) -> int:
        """What stood left of a unit of a struct when it was written."""
        return self.origins[at] if first == self.starts[at] else first - 1

    def content(self, at: int, first: int, stop: int) -> bytes:
        """The text or the values of some units of a struct, as they are encoded.

        Half a character becomes U+FFFD, as in Yjs.
        """
        start = self.starts[at]
        _, content = varint.decode(self.data, self.contents[at])
        if first == start and stop == self.stops[at]:
            return self.data[content : self.limits[at]]
        if at != self._cached:
            self._cached = at
            self._cache = self._cut_up(at, content)
        if isinstance(self._cache, list):
            return self.data[self._cache[first - start] : self._cache[stop - start]]
        return _decode(self._cache[2 * (first - start) : 2 * (stop - start)])

    def _cut_up(self, at: int, content: int) -> bytes | list[int]:
        """A text in UTF-16, or the offset of each value and of the end."""
        if self.kinds[at] == STRING:
            return self.data[content : self.limits[at]].decode().encode("utf-16-le")
        assert self.kinds[at] == ANY
        offsets = [content]
        while content < self.limits[at]:
            content = skip_any(self.data, content, _DEPTH_MAX)
            offsets.append(content)
        return offsets

    def _read_section(self, index: int, section: Section) -> None:
        data = self.data
        if section.first != 0:
            raise Malformed(f"the history of client {section.client} has no beginning")
        base = index << CLOCK_BITS
        for clock, end, offset, limit in zip(
            section.clocks, section.clocks[1:], section.offsets, section.offsets[1:], strict=False
        ):
            info = data[offset]
            kind = info & 31
            if kind == SKIP:
                raise Malformed(f"the history of client {section.client} has a hole")
            at = offset + 1
            origin = right = NOTHING
            if kind != GC:
                if info & 0x80:
                    origin, at = self._read_reference(at)
                if info & 0x40:
                    right, at = self._read_reference(at)
                if not info & 0xC0:
                    at = self._read_place(len(self.starts), info, at)
            self.starts.append(base + clock)
            self.stops.append(base + end)
            self.kinds.append(kind)
            self.origins.append(origin)
            self.rights.append(right)
            self.heads.append(offset)
            self.contents.append(at)
            self.limits.append(limit)

    def _read_reference(self, at: int) -> tuple[int, int]:
        client, at = varint.decode(self.data, at)
        clock, at = varint.decode(self.data, at)
        return self._known(client, clock), at

    def _read_place(self, position: int, info: int, at: int) -> int:
        root, parent, key = b"", NOTHING, None
        is_root, at = varint.decode(self.data, at)
        if is_root:
            root, at = varint.decode_bytes(self.data, at)
        else:
            parent, at = self._read_reference(at)
        if info & 0x20:
            key, at = varint.decode_bytes(self.data, at)
        self._parents.append((position, Place(root, parent, key)))
        return at

    def _known(self, client: int, clock: int) -> int:
        index = self._index.get(client, NOTHING)
        number = self.number(index, clock)
        if index == NOTHING or number >= self.ends[index]:
            raise Malformed(f"unit {clock} of client {client} is missing")
        return number

    def _numbered(self, ranges: list[Range]) -> list[tuple[int, int]]:
        """Ranges as numbers of units; raises `Malformed` for what is not there."""
        return [
            (self._known(client, first), self._known(client, end - 1) + 1)
            for client, first, end in ranges
        ]

    def _find_cuts(self) -> list[int]:
        second_halves: set[int] = set()
        for at, kind in enumerate(self.kinds):
            start, stop = self.starts[at], self.stops[at]
            if kind != STRING or stop == start + 1:
                continue
            text = self.data[self.contents[at] : self.limits[at]]
            # Characters of two units have four bytes, of which the first is above all others. The
            # length that stands before the text may look like one, which costs a look.
            if max(text) >= 0xF0:
                _, content = varint.decode(self.data, self.contents[at])
                units = self.data[content : self.limits[at]].decode().encode("utf-16-le")
                second_halves.update(
                    start + unit for unit, byte in enumerate(units[1::2]) if 0xDC <= byte <= 0xDF
                )
        if not second_halves:
            return []
        borders = {number + 1 for number in self.origins}.union(self.rights)
        for first, end in self.deletes:
            borders.update((first, end))
        return sorted(borders & second_halves)

    def _find_places(self) -> None:
        """What names no place stands where its neighbours of the time stood."""
        known: dict[Place, int] = {}
        for position, named in self._parents:
            if named not in known:
                known[named] = len(self.places)
                self.places.append(named)
            self.place[position] = known[named]
        place, kinds, origins, rights = self.place, self.kinds, self.origins, self.rights
        starts = self.starts
        pending: list[int] = []
        for position in range(len(place)):
            at = position
            while place[at] == NOTHING:
                if kinds[at] == GC:
                    place[at] = GONE
                    break
                pending.append(at)
                if len(pending) > len(place):
                    raise Malformed("structs build on each other in a circle")
                near = origins[at] if origins[at] != NOTHING else rights[at]
                at = at - 1 if near == starts[at] - 1 else self.find(near)
            while pending:
                inner = pending.pop()
                place[inner] = self._inherit(inner, at)
                at = inner

    def _inherit(self, at: int, neighbour: int) -> int:
        """The place of a struct that has a neighbour whose place is known."""
        right = self.rights[at]
        # Yjs drops what has a collected neighbour on either side; the left one is GONE already.
        if self._has_collected and right != NOTHING and self.kinds[self.find(right)] == GC:
            return GONE
        return self.place[neighbour]

    def _find_gone(self) -> bytearray:
        """A place is gone if its type, or one around it, is deleted."""
        is_gone = bytearray([_UNKNOWN]) * len(self.places)
        is_gone[GONE] = 1
        for position in range(len(self.places)):
            at, inner = position, []
            while is_gone[at] == _UNKNOWN:
                inner.append(at)
                parent = self.places[at].parent
                if parent == NOTHING:
                    is_gone[at] = 0
                elif self.is_deleted(parent):
                    is_gone[at] = 1
                elif len(inner) > len(self.places):
                    raise Malformed("types lie within each other in a circle")
                else:
                    at = self.place[self.find(parent)]
            for each in inner:
                is_gone[each] = is_gone[at]
        return is_gone


def _join(ranges: list[tuple[int, int]]) -> tuple[array[int], array[int]]:
    """Where ranges begin and end, sorted and joined where they touch."""
    starts, ends = array("q"), array("q")
    for first, end in sorted(ranges):
        if ends and first <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(first)
            ends.append(end)
    return starts, ends


def _decode(units: bytes) -> bytes:
    try:
        return units.decode("utf-16-le").encode()
    except UnicodeDecodeError:
        text = units.decode("utf-16-le", "surrogatepass")
        return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()
