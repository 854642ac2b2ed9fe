"""
A document's bytes without what nobody can read any more, as small as Yjs itself encodes it.

Client ids, clocks, the state vector and what is deleted stay as they are, and so does every unit's
place among the others: whoever was offline for a year merges with the result as with the original.

What changes, as in Yjs:

- Deleted content is dropped; structs are cut where a deletion begins or ends. A character of two
  units that is cut, by that or by something between its halves, is two times U+FFFD.
- What lies inside a deleted type is collected, neighbours as one.
- Structs that go on where the one before ended become one.

**Why joining loses nothing.** A struct is a run of units, and the encoding says of each unit what
it would say if the unit stood alone: its left origin is the unit before it, and its right origin
and its place are those of the run. Every implementation cuts a run by that rule when something has
to go in between. So a struct whose origin is the last unit of the one before, with the same right
origin, adds nothing as a struct of its own: the joined run decodes to the same units with the same
origins, and the order of a document follows from those alone. Nor does it build on anything that
the one before did not build on, so it is integrated no later. It is what a replica would have
written that saw both and nothing between them.

Yjs joins neighbours only, as it has the list at hand. Here, something that stands between them is
recognised by naming both as its origins; then they stay apart, which saves every reader from
cutting a long text again at each place where somebody typed into it. What stands between them and
names other origins can't be told from the bytes, and is cut off by the reader.

Only texts, values of lists and deleted content are joined, and never two values of one key of a
map: the reader shows the last value of a run that is not deleted, but would keep the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.document.structs import CLOCK_BITS, NOTHING, Structs
from syncroom.protocol import varint
from syncroom.protocol.update import ANY, DELETED, GC, STRING, encode_delete_set

if TYPE_CHECKING:
    from syncroom.protocol.update import Range, Update

_JOINED = (STRING, ANY, DELETED)


def compact(update: Update) -> bytes:
    """The document that a vetted update holds whole, without gaps; raises `Malformed`."""
    structs = Structs(update)
    writer = _Writer(structs)
    for at, (first, stop) in enumerate(zip(structs.starts, structs.stops, strict=True)):
        if structs.is_gone(at):
            writer.collect(first, stop)
            continue
        while first < stop:
            end = min(stop, structs.border(first))
            kind = DELETED if structs.is_deleted(first) else structs.kinds[at]
            writer.add(at, first, end, kind)
            first = end
    return writer.finish()


def _parted(structs: Structs) -> set[int]:
    """The units right behind which something stands that was written between two neighbours."""
    return {
        origin
        for at, (origin, right) in enumerate(zip(structs.origins, structs.rights, strict=True))
        if right == origin + 1 and origin != NOTHING and not structs.is_gone(at)
    }


class _Writer:
    """Takes all units of a document in order, and joins what can be one struct."""

    def __init__(self, structs: Structs) -> None:
        self._structs = structs
        self._parted = _parted(structs)
        self._sections: list[tuple[int, bytes]] = []
        self._deletes: list[Range] = []
        self._index = 0
        """The position of the client whose structs come."""
        self._count = 0
        self._out = bytearray()
        self._head = b""
        """The open struct up to its content."""
        self._kind = NOTHING
        self._parts: list[bytes] = []
        self._first = self._stop = self._right = 0

    def collect(self, first: int, stop: int) -> None:
        """Add units of which nothing is kept but that they were there."""
        if self._kind == GC and first == self._stop:
            self._stop = stop
        else:
            self._open(GC, first, stop, NOTHING, bytes((GC,)))

    def add(self, at: int, first: int, stop: int, kind: int) -> None:
        """Add units of the struct at a position, which all are deleted or none is."""
        structs = self._structs
        origin, right = structs.origin(at, first), structs.rights[at]
        goes_on = first == self._stop and kind == self._kind and right == self._right
        if goes_on and origin == first - 1 and self._may_join(at, first, kind):
            self._stop = stop
        else:
            self._open(kind, first, stop, right, self._encode_head(at, first, kind))
        if kind in (STRING, ANY):
            self._parts.append(structs.content(at, first, stop))
        elif kind != DELETED:
            self._parts.append(structs.data[structs.contents[at] : structs.limits[at]])

    def finish(self) -> bytes:
        """The update: clients in descending order, as Yjs writes them."""
        self._close()
        self._end_section()
        parts = [varint.encode(len(self._sections))]
        parts += [section for _, section in sorted(self._sections, reverse=True)]
        self._deletes.sort(key=lambda each: (-each[0], each[1]))
        return b"".join([*parts, encode_delete_set(self._deletes)])

    def _may_join(self, at: int, first: int, kind: int) -> bool:
        if kind not in _JOINED or first - 1 in self._parted:
            return False
        structs = self._structs
        return kind == DELETED or structs.places[structs.place[at]].key is None

    def _encode_head(self, at: int, first: int, kind: int) -> bytes:
        structs = self._structs
        head = structs.heads[at]
        info = structs.data[head]
        if first == structs.starts[at]:
            return bytes((info & 0xE0 | kind,)) + structs.data[head + 1 : structs.contents[at]]
        right = structs.rights[at]
        marks = 0x80 | info & 0x20 | (0 if right == NOTHING else 0x40)
        return b"".join(
            (bytes((marks | kind,)), self._encode_unit(first - 1), self._encode_unit(right))
        )

    def _encode_unit(self, number: int) -> bytes:
        if number == NOTHING:
            return b""
        client, clock = self._structs.unit(number)
        return varint.encode(client) + varint.encode(clock)

    def _open(self, kind: int, first: int, stop: int, right: int, head: bytes) -> None:
        self._close()
        if first >> CLOCK_BITS != self._index:
            self._end_section()
            self._index = first >> CLOCK_BITS
        self._kind, self._head, self._right = kind, head, right
        self._first, self._stop = first, stop

    def _close(self) -> None:
        """Write the open struct, if there is one."""
        kind = self._kind
        if kind == NOTHING:
            return
        length = varint.encode(self._stop - self._first)
        content = b"".join(self._parts)
        self._parts.clear()
        if kind in (GC, DELETED):
            content = length
            self._note_deleted()
        elif kind == ANY:
            content = length + content
        elif kind == STRING:
            content = varint.encode(len(content)) + content
        self._out += self._head + content
        self._count += 1
        self._kind = NOTHING

    def _note_deleted(self) -> None:
        client, first = self._structs.unit(self._first)
        end = first + self._stop - self._first
        if self._deletes and self._deletes[-1][::2] == (client, first):
            first = self._deletes.pop()[1]
        self._deletes.append((client, first, end))

    def _end_section(self) -> None:
        if self._count:
            client = self._structs.clients[self._index]
            head = b"".join(map(varint.encode, (self._count, client, 0)))
            self._sections.append((client, head + self._out))
            self._out, self._count = bytearray(), 0
