"""A compacted document is the same document to everybody, and as small as Yjs writes it."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pycrdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.document.compact import compact
from syncroom.document.content import find_roots, fingerprint
from syncroom.document.log import merge
from syncroom.document.structs import Structs
from syncroom.document.verify import find_difference
from syncroom.errors import Malformed
from syncroom.protocol import state_vector
from syncroom.protocol.update import read_update
from tests.document.histories import PATTERNS, type_randomly
from tests.properties import examples
from tests.protocol import craft
from tests.protocol.honest import Replica, Step, play, steps
from tests.support import wire

if TYPE_CHECKING:
    from tests.support.node import NodeDriver

DEPTH = 64
NATIVE_CPU_S = 60.0
IS_NIGHTLY = "SYNCROOM_NIGHTLY" in os.environ
SEEDS = range(1000 if IS_NIGHTLY else 60)
EDITS = 1_000_000 if IS_NIGHTLY else 50_000


def compacted(data: bytes) -> bytes:
    return compact(read_update(data, DEPTH))


def structs(data: bytes) -> Structs:
    return Structs(read_update(data, DEPTH))


def count(data: bytes) -> int:
    return len(structs(data).starts)


def text_of(data: bytes) -> str:
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    text = doc.get("text", type=pycrdt.Text)
    doc.apply_update(data)
    return str(text)


def letter(clock: int, text: str, *, client: int = 1) -> bytes:
    return craft.behind(craft.STRING, wire.string(text), (client, clock - 1))


# -- the same document


@examples(150)
@given(steps)
def test_a_history_of_pycrdt_is_the_same_document_afterwards(script: list[Step]) -> None:
    whole = merge(play(script).updates)

    result = compacted(whole)

    assert find_difference(structs(whole), structs(result), NATIVE_CPU_S) is None
    assert pycrdt.get_state(result) == pycrdt.get_state(whole)
    assert compacted(result) == result


@examples(100)
@given(steps, st.floats(0, 1), st.floats(0, 1))
def test_who_was_offline_merges_with_it_as_with_the_original(
    script: list[Step], share: float, order: float
) -> None:
    session = play(script)
    here = {at: round(len(each.made) * share) for at, each in enumerate(session.replicas)}
    log = [update for at, each in enumerate(session.replicas) for update in each.made[: here[at]]]
    later = [update for at, each in enumerate(session.replicas) for update in each.made[here[at] :]]
    random.Random(order).shuffle(later)
    if not _is_complete(merge(log)):
        return  # a replica had built on what another one did not send yet

    joined = merge([compacted(merge(log)), *later])

    roots = find_roots(structs(merge(session.updates)))
    assert fingerprint(joined, roots) == fingerprint(merge(session.updates), roots)
    assert find_difference(structs(joined), structs(compacted(joined)), NATIVE_CPU_S) is None


def _is_complete(whole: bytes) -> bool:
    try:
        structs(whole)
    except Malformed:
        return False
    return True


@examples(60)
@given(steps, st.data())
def test_differences_made_from_it_bring_any_reader_up_to_date(
    script: list[Step], data: st.DataObject
) -> None:
    session = play(script)
    whole = merge(session.updates)
    update = read_update(whole, DEPTH)
    made = data.draw(st.sampled_from(session.replicas))
    reader = Replica(98)
    reader.learn(made.doc.get_update())

    reader.learn(pycrdt.get_update(compacted(whole), made.doc.get_state()))

    clocks = state_vector.decode(reader.doc.get_state())
    assert clocks == {section.client: section.end for section in update.sections}
    assert reader.content() == session.whole().content()


@pytest.mark.timeout(1200)
async def test_yjs_shows_the_same_before_and_after_also_with_late_edits(node: NodeDriver) -> None:
    rng = random.Random(7)
    for seed in SEEDS:
        updates = await node.history(seed, rng.choice((20, 60, 150)))
        if not updates:
            continue
        whole = merge(updates)
        seen = await node.whole(whole)
        at = rng.randrange(len(updates))
        original = merge(updates[:at])
        early = compacted(original)
        news = pycrdt.get_update(compacted(whole), pycrdt.get_state(original))

        # Updates after that point were written by replicas that hold the original; and one that
        # holds no more than the original learns the rest.
        for others in (
            [compacted(whole)],
            [early, *updates[at:]],
            [merge([early, *updates[at:]])],
            [compacted(merge([early, *updates[at:]]))],
            [original, news],
            [early, news],
        ):
            assert await node.whole(*others) == seen, seed
        assert find_difference(structs(whole), structs(compacted(whole)), NATIVE_CPU_S) is None, (
            seed
        )


# -- small


@pytest.mark.timeout(1200)
async def test_it_is_no_larger_than_what_yjs_writes_and_opens_as_fast(node: NodeDriver) -> None:
    whole = type_randomly(random.Random(3), EDITS)

    result = compacted(whole)

    own = await node.recode(whole)
    assert len(result) <= 1.2 * len(own) + 1_000_000
    assert len(result) <= 1.05 * len(own)
    assert count(result) <= 1.05 * count(own)
    assert text_of(result) == text_of(whole)


async def test_what_yjs_wrote_gets_no_larger(node: NodeDriver) -> None:
    for seed in range(20):
        own = await node.recode(merge(await node.history(seed, 100)))

        assert len(compacted(own)) <= len(own)


def test_a_text_that_was_typed_in_one_go_is_one_struct() -> None:
    keys = [craft.string("a"), *(letter(clock, "b") for clock in range(1, 2000))]
    whole = craft.update(craft.section(1, 0, *keys))

    result = compacted(whole)

    assert result == craft.update(craft.section(1, 0, craft.string("a" + "b" * 1999)))


def test_a_key_that_was_set_a_thousand_times_is_two_structs() -> None:
    doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=1)
    values = doc.get("map", type=pycrdt.Map)
    made: list[bytes] = []
    subscription = doc.observe(lambda event: made.append(event.update))
    for number in range(1000):
        values["key"] = "x" * 100 + str(number)
    doc.unobserve(subscription)

    result = compacted(merge(made))

    assert count(result) == 2
    assert len(result) < 200
    assert find_difference(structs(merge(made)), structs(result), NATIVE_CPU_S) is None


def test_what_lay_in_a_deleted_type_is_one_collected_struct() -> None:
    array = craft.in_root(7, bytes([1]), "map")  # a shared type: a map
    inside = craft.in_parent(craft.STRING, wire.string("in"), (1, 0))
    whole = craft.update(
        craft.section(1, 0, array, inside, letter(3, "side")), deletes={1: [(0, 1)]}
    )

    result = compacted(whole)

    assert bytes(structs(result).kinds) == bytes([1, craft.GC])
    assert read_update(result, DEPTH).deletes == [(1, 0, 7)]


def test_deletions_cut_a_struct_and_drop_its_content() -> None:
    whole = craft.update(craft.section(1, 0, craft.string("abcdef")), deletes={1: [(2, 2)]})

    result = compacted(whole)

    assert b"cd" not in result
    assert (count(result), text_of(result)) == (3, "abef")


def test_everything_deleted_leaves_one_struct() -> None:
    keys = [craft.string("a"), *(letter(clock, "b") for clock in range(1, 100))]
    ranges = [(clock, 1) for clock in reversed(range(100))]
    whole = craft.update(craft.section(1, 0, *keys), deletes={1: ranges})

    result = compacted(whole)

    assert count(result) == 1
    assert read_update(result, DEPTH).deletes == [(1, 0, 100)]


def test_half_a_deleted_character_is_a_mark_as_in_yjs() -> None:
    for first in (1, 2):
        whole = craft.update(craft.section(1, 0, craft.string("a😀b")), deletes={1: [(first, 1)]})

        assert text_of(compacted(whole)) == "a\ufffdb"


def test_a_list_is_cut_between_its_values() -> None:
    values = bytes([4]) + bytes([125, 1, 119, 1, 97, 126, 120])  # 1, "a", null, true
    whole = craft.update(
        craft.section(1, 0, craft.in_root(8, values, "list")), deletes={1: [(1, 2)]}
    )
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    array = doc.get("list", type=pycrdt.Array)

    doc.apply_update(compacted(whole))

    assert array.to_py() == [1.0, True]


# -- what may not be joined


def test_neighbours_with_something_between_them_stay_apart() -> None:
    between = craft.section(
        2, 0, bytes([craft.STRING | 0xC0]) + craft.unit((1, 0)) + craft.unit((1, 1)) + b"\x01x"
    )
    whole = craft.update(between, craft.section(1, 0, craft.string("a"), letter(1, "b")))

    result = compacted(whole)

    assert count(result) == 3
    assert text_of(result) == "axb"


@pytest.mark.parametrize("client", [0, 1, 2, 3])
def test_joining_past_a_competitor_keeps_the_order(client: int) -> None:
    writer = 1 if client != 1 else 2
    pair = craft.section(writer, 0, craft.string("a"), letter(1, "b", client=writer))
    rival = craft.section(client, 0, craft.behind(craft.STRING, wire.string("x"), (writer, 0)))
    whole = craft.update(*sorted((pair, rival), reverse=True))

    result = compacted(whole)

    assert count(result) == 2
    assert text_of(result) == text_of(whole)


def test_two_values_of_one_key_are_never_joined() -> None:
    first = bytes([8 | 0x20]) + b"\x01" + wire.string("map") + wire.string("key") + b"\x01\x7d\x01"
    second = craft.behind(8, b"\x01\x7d\x02", (1, 0))

    result = compacted(craft.update(craft.section(1, 0, first, second)))

    assert count(result) == 2


# -- what is no whole document


@pytest.mark.parametrize(
    "data",
    [
        craft.update(craft.section(1, 3, craft.string("a"))),
        craft.update(craft.section(1, 0, craft.string("a"), craft.skip(2), craft.gc(1))),
        craft.update(craft.section(1, 0, craft.behind(4, wire.string("a"), (2, 0)))),
        craft.update(craft.section(1, 0, craft.string("a")), deletes={1: [(0, 2)]}),
        craft.update(craft.section(1, 0, craft.string("a")), deletes={2: [(0, 1)]}),
        craft.update(
            craft.section(1, 0, craft.behind(4, wire.string("a"), (2, 0))),
            craft.section(2, 0, craft.behind(4, wire.string("a"), (1, 0))),
        ),
        craft.update(
            craft.section(1, 0, craft.in_parent(7, b"\x01", (2, 0))),
            craft.section(2, 0, craft.in_parent(7, b"\x01", (1, 0))),
        ),
    ],
)
def test_what_is_not_whole_or_builds_on_itself_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        compacted(data)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_awkward_shapes_take_no_recursion_and_no_square(pattern: str) -> None:
    whole = PATTERNS[pattern](20_000)

    result = compacted(whole)

    assert compacted(result) == result


async def test_the_native_library_reads_cut_characters_as_yjs_does_once_they_are_compacted(
    node: NodeDriver,
) -> None:
    cuts = 0
    for seed in range(40):
        whole = merge(await node.history(seed, 150))
        cuts += len(structs(whole).cuts)

        text = text_of(compacted(whole))

        assert text == (await node.whole(whole))["texts"]["text"], seed
    assert cuts > 10
