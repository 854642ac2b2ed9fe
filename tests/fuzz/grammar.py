"""Updates struct by struct: every kind of content, references that mostly exist, and some lies."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.protocol import craft
from tests.support import wire

if TYPE_CHECKING:
    from random import Random

GC, DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, DOC, SKIP = range(11)
WORDS = ("a", "word", "R\u00e4ume", "\u4e2d\u6587", "\n", "x" * 200, "", "a\U0001f600b")
JSON_TEXTS = ('{"a":1}', "true", "null", '"x"', "[1,[2]]", "{", "NaN", '{"a":1,"a":2}', "[" * 80)
HONEST = 5
"""The client id of the honest writer, of whom there always is a unit."""


def update(rng: Random, number: int) -> bytes:
    """One or two new clients' structs, and deletions."""
    own = 1000 + number
    clients = [own] if rng.random() < 0.8 else [own + 50_000_000, own]
    sections = [_section(rng, client, own) for client in clients]
    deletes: craft.Ranges = {}
    if rng.random() < 0.3:
        deletes[rng.choice([own, own, rng.randrange(1000, own + 1)])] = [
            (rng.randrange(4), rng.choice([1, 1, 2, 5, 0, 2**31]))
        ]
    return craft.update(*sections, deletes=deletes)


def _section(rng: Random, client: int, own: int) -> bytes:
    """Structs of one client; it knows how long each is, and refers to units that are there."""
    structs, clock = [], 0
    types: list[int] = []
    for _ in range(rng.randint(1, 6)):
        data, length, is_type = _struct(rng, client, own, clock, types)
        structs.append(data)
        if is_type:
            types.append(clock)
        clock += length
    first = 0 if rng.random() < 0.97 else rng.choice([1, 2**31 - 1, 2**32])
    return craft.section(client, first, *structs)


def _struct(
    rng: Random, client: int, own: int, clock: int, types: list[int]
) -> tuple[bytes, int, bool]:
    kind = rng.choice([STRING] * 6 + [ANY] * 5 + [TYPE] * 5 + [FORMAT, EMBED, BINARY, DOC] * 2)
    if rng.random() < 0.1:
        kind = rng.choice([GC, SKIP, DELETED, JSON, rng.randrange(32)])
    if kind in (GC, SKIP):
        length = rng.choice([1, 1, 3, 0, 2**31 - 1, 2**32 - 1])
        return bytes([kind]) + wire.varuint(length), min(length, 99), False
    content, length = _content(rng, kind)
    place = rng.random()
    if types and place < 0.35:
        head = b"\0" + craft.unit((client, rng.choice(types)))
    elif place < 0.40:
        head = b"\0" + craft.unit(_unit(rng, own))
    elif clock and place < 0.65:
        return craft.behind(kind, content, (client, clock - 1)), length, kind == TYPE
    elif place < 0.70:
        return craft.behind(kind, content, _unit(rng, own)), length, kind == TYPE
    else:
        head = b"\1" + wire.string(_root(rng, kind))
    has_key = rng.random() < (0.4 if head[0] == 0 else 0.0) or head.endswith(b"map")
    key = wire.string(rng.choice(["a", "b", "\u043a\u043b\u044e\u0447"])) if has_key else b""
    return bytes([kind | (0x20 if has_key else 0)]) + head + key + content, length, kind == TYPE


def _root(rng: Random, kind: int) -> str:
    """Roots whose content is of one kind, as in documents that people use; seldom any other."""
    if rng.random() < 0.02:
        return rng.choice(["list", "map", "xml", ""])
    if kind in (STRING, FORMAT, EMBED):
        return rng.choice(["rich", "other"])
    return rng.choice(["list", "map"])


def _unit(rng: Random, own: int) -> tuple[int, int]:
    """A unit of somebody: of the honest writer, of an earlier case that may have been taken."""
    client = rng.choice([HONEST, own, rng.randrange(1000, own + 1), rng.choice([0, 2**53 - 1])])
    return client, rng.choice([0, 0, 1, 2, 2**31 - 1])


def _content(rng: Random, kind: int) -> tuple[bytes, int]:
    if kind == STRING:
        word = rng.choice(WORDS)
        return wire.string(word), len(word.encode("utf-16-le")) // 2
    if kind == ANY:
        count = rng.randint(1, 3)
        claimed = count if rng.random() < 0.95 else rng.choice([0, 2**20, 2**32])
        return wire.varuint(claimed) + b"".join(_any(rng, 0) for _ in range(count)), count
    if kind == FORMAT:
        return wire.string(rng.choice(["bold", "link"])) + wire.string(rng.choice(JSON_TEXTS)), 1
    if kind == EMBED:
        return wire.string(rng.choice(JSON_TEXTS)), 1
    if kind == TYPE:
        shared = rng.choice([0, 0, 1, 1, 2, 2, 3, 4, 6, 5, 7, 128])
        return bytes([shared]) + (wire.string("p") if shared in (3, 5) else b""), 1
    if kind == DOC:
        return wire.string(f"guid-{rng.randrange(9)}") + b"\x76\0", 1
    if kind == DELETED:
        length = rng.choice([1, 2, 0, 2**31])
        return wire.varuint(length), min(length, 99)
    return wire.varbytes(rng.randbytes(rng.randrange(6))), 1


def _any(rng: Random, depth: int) -> bytes:
    how = rng.randrange(12)
    if how == 0 and depth < 4:
        inner = [_any(rng, depth + 1) for _ in range(rng.randrange(3))]
        claimed = len(inner) if rng.random() < 0.9 else 2**20
        return b"\x75" + wire.varuint(claimed) + b"".join(inner)
    if how == 1 and depth < 4:
        names = rng.sample(["a", "b", "c"], rng.randrange(3))
        pairs = [wire.string(name) + _any(rng, depth + 1) for name in names]
        return b"\x76" + wire.varuint(len(pairs)) + b"".join(pairs)
    if how == 2:
        return b"\x75\1" * rng.choice([10, 63, 64, 65, 3000]) + b"\x7e"
    return rng.choice(
        [
            b"\x7e",
            b"\x7f",
            b"\x78",
            b"\x79",
            b"\x77" + wire.string(rng.choice(WORDS)),
            b"\x7d" + rng.choice([b"\0", b"\x3f", b"\x41", b"\x80\1", b"\xff" * 9]),
            b"\x7b" + struct.pack(">d", rng.choice([0.5, -1.0, 1e300])),
            b"\x7c" + struct.pack(">f", 0.25),
            b"\x74" + wire.varbytes(b"\0\xff"),
        ]
    )
