"""A compaction that went wrong is recognised, whatever it changed."""

from __future__ import annotations

import random

import pytest

from syncroom.document.compact import compact
from syncroom.document.log import merge
from syncroom.document.structs import Structs
from syncroom.document.verify import compare_structs, find_difference
from syncroom.errors import Malformed
from syncroom.protocol.update import read_update
from tests.protocol import craft
from tests.protocol.honest import MEET, play
from tests.support import wire

DEPTH = 64
NATIVE_CPU_S = 60.0


def structs(data: bytes) -> Structs:
    return Structs(read_update(data, DEPTH))


def document(*texts: str, deletes: craft.Ranges | None = None) -> bytes:
    clock, made = 0, []
    for text in texts:
        content = wire.string(text)
        made.append(
            craft.behind(craft.STRING, content, (1, clock - 1)) if clock else craft.string(text)
        )
        clock += len(text.encode("utf-16-le")) // 2
    return craft.update(craft.section(1, 0, *made), deletes=deletes)


OLD = document("abc", "def", deletes={1: [(1, 1)]})


@pytest.mark.parametrize(
    ("new", "difference"),
    [
        (document("abc", "de", deletes={1: [(1, 1)]}), "the state vectors"),
        (document("abc", "def"), "the deleted units"),
        (document("abc", "def", deletes={1: [(2, 1)]}), "the deleted units"),
        (document("abc", "dxf", deletes={1: [(1, 1)]}), "the content of unit 3 of client 1"),
        (document("xbc", "def", deletes={1: [(1, 1)]}), "the content of unit 0 of client 1"),
        (
            craft.update(
                craft.section(
                    1, 0, craft.string("abc"), craft.behind(4, wire.string("def"), (1, 1))
                ),
                deletes={1: [(1, 1)]},
            ),
            "an origin of unit 3 of client 1",
        ),
        (
            craft.update(
                craft.section(1, 0, craft.in_root(4, wire.string("abcdef"), "other")),
                deletes={1: [(1, 1)]},
            ),
            "the place of unit 0 of client 1",
        ),
        (
            craft.update(
                craft.section(1, 0, craft.in_root(8, b"\x06" + bytes([126]) * 6)),
                deletes={1: [(1, 1)]},
            ),
            "the kind of unit 0 of client 1",
        ),
        (
            craft.update(
                craft.section(1, 0, craft.string("a"), craft.gc(1), craft.string("cdef")),
            ),
            "of unit 1 of client 1",
        ),
    ],
)
def test_what_differs_is_named(new: bytes, difference: str) -> None:
    found = find_difference(structs(OLD), structs(new), NATIVE_CPU_S)

    assert found is not None
    assert difference in found


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        document("abcdef", deletes={1: [(1, 1)]}),
        document("a", "b", "c", "d", "e", "f", deletes={1: [(1, 1)]}),
        document("axcdef", deletes={1: [(1, 1)]}),
    ],
)
def test_how_it_is_cut_and_what_was_deleted_makes_no_difference(new: bytes) -> None:
    assert find_difference(structs(OLD), structs(new), NATIVE_CPU_S) is None


def test_a_turned_bit_is_found_or_changes_nothing_that_counts() -> None:
    rng = random.Random(11)
    script = [(rng.randrange(3), rng.randrange(MEET), rng.randrange(9), 3) for _ in range(40)]
    old = merge(play(script).updates)
    good = compact(read_update(old, DEPTH))
    expected = structs(good)
    for _ in range(300):
        turned = bytearray(good)
        turned[rng.randrange(len(good))] ^= 1 << rng.randrange(8)
        try:
            new = structs(bytes(turned))
        except Malformed:
            continue

        found = compare_structs(structs(old), new)

        assert found is not None or compare_structs(expected, new) is None


def test_what_the_native_library_misreads_is_judged_by_its_structs_alone() -> None:
    # An insertion and a deletion in the middle of characters: U+FFFD for Yjs.
    inside = bytes([craft.STRING | 0xC0]) + craft.unit((1, 0)) + craft.unit((1, 1)) + b"\x01x"
    old = craft.update(
        craft.section(2, 0, inside),
        craft.section(1, 0, craft.string("😀b😀")),
        deletes={1: [(3, 1)]},
    )
    new = compact(read_update(old, DEPTH))

    assert find_difference(structs(old), structs(new), NATIVE_CPU_S) is None
