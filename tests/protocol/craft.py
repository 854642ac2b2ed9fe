"""Updates written by hand, struct by struct, however wrong: Yjs's format v1 as tests need it."""

from __future__ import annotations

import random

from tests.support import wire

STRING, GC, SKIP = 4, 0, 10

Ranges = dict[int, list[tuple[int, int]]]
"""For each client, the clock and the length of what is deleted."""


def section(client: int, clock: int, *structs: bytes) -> bytes:
    return b"".join(map(wire.varuint, (len(structs), client, clock))) + b"".join(structs)


def update(*sections: bytes, deletes: Ranges | None = None) -> bytes:
    return wire.varuint(len(sections)) + b"".join(sections) + delete_set(deletes or {})


def delete_set(deletes: Ranges) -> bytes:
    parts = [wire.varuint(len(deletes))]
    for client, ranges in deletes.items():
        parts += (wire.varuint(client), wire.varuint(len(ranges)))
        parts += [wire.varuint(clock) + wire.varuint(length) for clock, length in ranges]
    return b"".join(parts)


def in_root(kind: int, content: bytes, root: str = "text") -> bytes:
    """A struct at the beginning of a shared type by name."""
    return bytes([kind]) + b"\x01" + wire.string(root) + content


def in_parent(kind: int, content: bytes, parent: tuple[int, int]) -> bytes:
    """A struct at the beginning of a shared type inside another."""
    return bytes([kind]) + b"\x00" + unit(parent) + content


def behind(kind: int, content: bytes, left: tuple[int, int]) -> bytes:
    """A struct to the right of a unit."""
    return bytes([kind | 0x80]) + unit(left) + content


def unit(of: tuple[int, int]) -> bytes:
    return wire.varuint(of[0]) + wire.varuint(of[1])


def string(text: str) -> bytes:
    """A struct of text at the beginning of the root ``text``."""
    return in_root(STRING, wire.string(text))


def gc(length: int) -> bytes:
    return bytes([GC]) + wire.varuint(length)


def skip(length: int) -> bytes:
    return bytes([SKIP]) + wire.varuint(length)


def woven(structs: int, clients: int) -> bytes:
    """A document in which everybody writes a letter behind anybody else's last ones."""
    rng = random.Random(structs)
    sections: dict[int, list[bytes]] = {}
    made: list[tuple[int, int]] = []
    for _ in range(structs):
        client = rng.randint(1, clients)
        written = sections.setdefault(client, [])
        last = made[-1000:]
        written.append(behind(STRING, b"\x01w", rng.choice(last)) if made else string("w"))
        made.append((client, len(written) - 1))
    return update(*(section(client, 0, *each) for client, each in sections.items()))
