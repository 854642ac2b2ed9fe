"""
The vet: reads a Yjs update (format v1) whole, in Python, before native code may see it.

What passes has honest counts, finite depth, UTF-8, known kinds of content, references that point
back, and no trailing bytes. Whether it fits a document is decided from the `Update` it returns.
It judges safety, never meaning: a permitted writer may delete everything.

Source of the format: Yjs, ``INTERNALS.md`` and ``src/utils/encoding.js``; the kinds of content
are numbered as in ``src/structs/Item.js``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from syncroom.errors import Malformed, TooManyParts
from syncroom.protocol import varint
from syncroom.protocol.state_vector import CLOCK_MAX
from syncroom.protocol.value import check_json, skip_any, spend_nothing

if TYPE_CHECKING:
    from syncroom.protocol.value import Spend

GC, DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, DOC, SKIP = range(11)

_XML_ELEMENT, _XML_HOOK, _XML_TEXT = 3, 5, 6
"""Kinds of shared types. An element carries a name. Of a hook the implementations disagree whether
it does, so that they would read what follows as different things; the text's is the highest."""

Range = tuple[int, int, int]
"""Client, first clock, clock after the last."""


Place = tuple[tuple[int, int] | None, bool]
"""A unit, and whether it is the parent of what stands there; else it is a sibling, or, where a
type stands at a root, None."""


@dataclass(slots=True)
class Section:
    """What an update holds of one client: structs that follow each other without a hole."""

    client: int
    clocks: list[int]
    """The first clock of each struct, and the clock after the last one."""
    offsets: list[int]
    """Where each struct starts in the update, and where the last one ends."""
    needs: list[tuple[int, int, int]] = field(default_factory=list)
    """(clock, client, unit): beyond that clock the section needs that unit of that client."""

    @property
    def first(self) -> int:
        return self.clocks[0]

    @property
    def end(self) -> int:
        return self.clocks[-1]


@dataclass(slots=True)
class Update:
    """A vetted update: its bytes, and all that deciding about it takes."""

    data: bytes
    sections: list[Section]
    deletes: list[Range]
    """The delete set."""
    deletes_at: int
    """Where the delete set starts in the bytes."""
    gone: list[Range]
    """Structs that arrive deleted: collected, or without their content."""
    types: list[tuple[int, int]]
    """(client, clock) of the structs that are shared types: those alone can be parents."""
    parents: list[tuple[int, int]]
    """(client, clock) of what structs name as their parent."""
    places: list[Place]
    """Where each of the types stands."""


CLIENT_PARTS, RANGE_PARTS = 4, 3
"""What a client, and a deleted range, count as; a struct counts as one, and four values do."""


class Meter:
    """Counts the parts of an update before they are read: each takes 2 to 3 us to look at.

    Args:
        parts_max: how many there may be.
    """

    __slots__ = ("_left", "_parts_max")

    def __init__(self, parts_max: float) -> None:
        self._parts_max = parts_max
        self._left = parts_max

    def spend(self, parts: float) -> None:
        """Count parts; raises `TooManyParts`."""
        self._left -= parts
        if self._left < 0:
            raise TooManyParts(
                f"an update has more than {self._parts_max} parts (pieces of text, values, "
                "deletions, authors); make large changes in several transactions"
            )

    def spend_values(self, count: int) -> None:
        """Count values; raises `TooManyParts`."""
        self.spend(count / 4)


def read_update(data: bytes, depth_max: int, parts_max: float = math.inf) -> Update:
    """Vet an update.

    Args:
        data: the update, format v1.
        depth_max: levels of nesting that a value inside may have.
        parts_max: how many parts it may have, as `Meter` counts them.

    Raises:
        Malformed: the bytes are no update, or one that some implementation would choke on.
        TooManyParts: it has more parts.
    """
    update = Update(data, [], [], 0, [], [], [], [])
    count, at = varint.decode(data, 0)
    if count * 3 > len(data):
        raise Malformed(f"an update announces {count} clients in {len(data)} bytes")
    meter = Meter(parts_max)
    meter.spend(CLIENT_PARTS * count)
    seen: set[int] = set()
    for _ in range(count):
        at = _read_section(update, at, depth_max, meter)
        seen.add(update.sections[-1].client)
    if len(seen) != count:
        raise Malformed("an update names a client twice")
    update.deletes_at = at
    update.deletes, at = read_delete_set(data, at, meter.spend)
    if at != len(data):
        raise Malformed(f"{len(data) - at} bytes follow an update")
    return update


def _read_section(update: Update, at: int, depth_max: int, meter: Meter) -> int:
    data = update.data
    count, at = varint.decode(data, at)
    client, at = varint.decode(data, at)
    clock, at = varint.decode(data, at)
    if not 0 < count <= len(data) - at:
        raise Malformed(f"a client's section announces {count} structs in {len(data) - at} bytes")
    meter.spend(count)
    section = Section(client, [], [])
    if clock:
        section.needs.append((0, client, clock - 1))
    for _ in range(count):
        section.clocks.append(clock)
        section.offsets.append(at)
        kind = data[at] & 31 if at < len(data) else -1
        if kind in (GC, SKIP):
            if data[at] != kind:
                raise Malformed("a collected struct carries the marks of a live one")
            length, at = varint.decode(data, at + 1)
        else:
            length, at = _read_item(update, section, clock, at, depth_max, meter.spend_values)
        if not 0 < length <= CLOCK_MAX - clock:
            raise Malformed(f"a struct of {length} units starts at clock {clock}")
        if kind == SKIP:
            section.needs.append((clock, client, clock + length - 1))
        elif kind in (GC, DELETED):
            first = clock
            if update.gone and update.gone[-1][0] == client and update.gone[-1][2] == clock:
                first = update.gone.pop()[1]
            update.gone.append((client, first, clock + length))
        clock += length
    section.clocks.append(clock)
    section.offsets.append(at)
    update.sections.append(section)
    return at


def _read_item(
    update: Update, section: Section, clock: int, at: int, depth_max: int, spend: Spend
) -> tuple[int, int]:
    """The length of an item in clock units, and the offset after it."""
    data = update.data
    if at >= len(data):
        raise Malformed("the bytes end before a struct")
    info = data[at]
    at += 1
    place: Place = (None, False)
    if info & 0xC0:
        unit, at = _read_reference(section, clock, data, at)
        place = (unit, False)
        if info & 0xC0 == 0xC0:
            _, at = _read_reference(section, clock, data, at)
    else:
        is_root, at = varint.decode(data, at)
        if is_root == 1:
            _, at = varint.decode_text(data, at)
        elif is_root == 0:
            unit, at = _read_reference(section, clock, data, at)
            update.parents.append(unit)
            place = (unit, True)
        else:
            raise Malformed(f"a struct says {is_root} where 1 names a root and 0 a parent")
        if info & 0x20:
            _, at = varint.decode_text(data, at)
    if info & 31 == TYPE:
        update.types.append((section.client, clock))
        update.places.append(place)
    return _read_content(data, at, info & 31, depth_max, spend)


def _read_reference(
    section: Section, clock: int, data: bytes, at: int
) -> tuple[tuple[int, int], int]:
    """The unit that a struct refers to: of its own client an earlier one."""
    client, at = varint.decode(data, at)
    unit, at = varint.decode(data, at)
    if client != section.client:
        section.needs.append((clock, client, unit))
    elif unit >= clock:
        raise Malformed(f"the struct at clock {clock} refers forward to {unit} of its own client")
    return (client, unit), at


def _read_content(data: bytes, at: int, kind: int, depth_max: int, spend: Spend) -> tuple[int, int]:
    """The length of some content in clock units, and the offset after it."""
    if kind == STRING:
        text, at = varint.decode_text(data, at)
        return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2, at
    if kind == ANY:
        count, at = varint.decode(data, at)
        if count > len(data) - at:
            raise Malformed(f"{count} values are announced in {len(data) - at} bytes")
        spend(count)
        for _ in range(count):
            at = skip_any(data, at, depth_max, spend)
        return count, at
    if kind == DELETED:
        return varint.decode(data, at)
    if kind == FORMAT:
        _, at = varint.decode_text(data, at)
    if kind in (FORMAT, EMBED):
        text, at = varint.decode_text(data, at)
        spend(4 * text.count(","))
        check_json(text, depth_max)
    elif kind == BINARY:
        _, at = varint.decode_bytes(data, at)
    elif kind == TYPE:
        shared = data[at] if at < len(data) else -1
        if not 0 <= shared <= _XML_TEXT or shared == _XML_HOOK:
            raise Malformed(f"a shared type of kind {shared} is not accepted")
        at += 1
        if shared == _XML_ELEMENT:
            _, at = varint.decode_text(data, at)
    elif kind == DOC:
        _, at = varint.decode_text(data, at)
        at = skip_any(data, at, depth_max, spend)
    else:
        raise Malformed(f"content of kind {kind} is not accepted")
    return 1, at


def read_delete_set(data: bytes, at: int, spend: Spend = spend_nothing) -> tuple[list[Range], int]:
    """The ranges of a delete set, and the offset after it; raises `Malformed`, as `spend` does."""
    count, at = varint.decode(data, at)
    if count * 2 > len(data) - at:
        raise Malformed(f"a delete set announces {count} clients in {len(data) - at} bytes")
    ranges: list[Range] = []
    seen: set[int] = set()
    for _ in range(count):
        client, at = varint.decode(data, at)
        pieces, at = varint.decode(data, at)
        if pieces * 2 > len(data) - at:
            raise Malformed(f"a delete set announces {pieces} ranges in {len(data) - at} bytes")
        spend(RANGE_PARTS * (1 + pieces))
        seen.add(client)
        for _ in range(pieces):
            clock, at = varint.decode(data, at)
            length, at = varint.decode(data, at)
            if not 0 < length <= CLOCK_MAX - clock:
                raise Malformed(f"a deletion of {length} units starts at clock {clock}")
            ranges.append((client, clock, clock + length))
    if len(seen) != count:
        raise Malformed("a delete set names a client twice")
    return ranges, at


def encode_delete_set(ranges: list[Range]) -> bytes:
    """The bytes of a delete set."""
    by_client: dict[int, list[bytes]] = {}
    for client, first, end in ranges:
        by_client.setdefault(client, []).append(varint.encode(first) + varint.encode(end - first))
    parts = [varint.encode(len(by_client))]
    for client, pieces in by_client.items():
        parts += (varint.encode(client), varint.encode(len(pieces)), *pieces)
    return b"".join(parts)


def prefix(update: Update, reached: dict[int, int]) -> bytes:
    """The structs of an update that lie before given clocks, whole structs only, no deletions.

    Args:
        update: a vetted update.
        reached: for each of its clients, the clock at which to stop.
    """
    parts = []
    for section in update.sections:
        stop = reached.get(section.client, 0)
        kept = sum(end <= stop for end in section.clocks[1:])
        if kept:
            head = map(varint.encode, (kept, section.client, section.first))
            parts.append(b"".join(head) + update.data[section.offsets[0] : section.offsets[kept]])
    return varint.encode(len(parts)) + b"".join(parts)


_NUMBER = rb"([\x80-\xff]{0,7}[\x00-\x7f])"
_MATCH_KEYSTROKE = re.compile(
    rb"\x01\x01" + _NUMBER * 2 + rb"(?:\x84" + _NUMBER * 2 + rb"|\xc4" + _NUMBER * 4 + rb")"
    rb"([\x01-\x7f])([\x01-\x7f]+)\x00"
).fullmatch


class Keystroke(NamedTuple):
    """One struct of ASCII text behind a known unit; clients as the bytes of their numbers."""

    client: bytes
    clock: int
    left: bytes
    left_clock: int
    right: bytes | None
    right_clock: int
    text: bytes


def read_keystroke(data: bytes) -> Keystroke | None:
    """Recognise the commonest update: one struct of ASCII text behind a known unit, no deletion.

    None means that `read_update` has to look, never that anything is wrong.
    """
    match = _MATCH_KEYSTROKE(data)
    if match is None:
        return None
    client, clock, left, left_clock, left2, left2_clock, right, right_clock, size, text = (
        match.groups()
    )
    if size[0] != len(text):
        return None
    if left is None:
        number = _number(right_clock)
        return _new_keystroke(
            Keystroke, (client, _number(clock), left2, _number(left2_clock), right, number, text)
        )
    return _new_keystroke(
        Keystroke, (client, _number(clock), left, _number(left_clock), None, 0, text)
    )


_new_keystroke = tuple.__new__
"""A named tuple's own constructor takes twice the time."""


def _number(raw: bytes) -> int:
    """The value of the bytes of one number, which are known to be whole."""
    if len(raw) == 1:
        return raw[0]
    if len(raw) == 2:
        return raw[0] & 127 | raw[1] << 7
    if len(raw) == 3:
        return raw[0] & 127 | (raw[1] & 127) << 7 | raw[2] << 14
    return sum((byte & 127) << 7 * index for index, byte in enumerate(raw))
