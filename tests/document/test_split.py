"""A large update taken apart: small ones that do the same, each of which can be taken at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.document.split import split
from syncroom.document.splitter import decode_part, encode_part
from syncroom.document.state import DocumentState
from syncroom.protocol.update import read_update
from tests.properties import examples
from tests.protocol import craft
from tests.protocol.honest import Replica, Step, play, steps
from tests.support import wire

DEPTH = 64


def _split(data: bytes, parts: int = 10, size: int = 1 << 20) -> list[bytes]:
    return list(split(read_update(data, DEPTH), parts, size))


def _take(pieces: list[bytes], state: DocumentState | None = None) -> DocumentState:
    """What a document holds that was given one after the other; each fits at once."""
    state = state or DocumentState()
    for data in pieces:
        update = read_update(data, DEPTH)
        assert state.gap(update) is None
        new = state.new_part(update, DEPTH)
        if new is not None:
            state.apply(new)
    return state


def _reader(*updates: bytes) -> Replica:
    reader = Replica(98)
    for update in updates:
        reader.learn(update)
    return reader


@examples(60)
@given(steps, st.integers(1, 12), st.integers(1, 200))
def test_the_parts_of_a_document_are_that_document(
    script: list[Step], parts: int, size: int
) -> None:
    whole = play(script).whole().doc.get_update()
    state = DocumentState()
    state.apply(read_update(whole, DEPTH))

    pieces = _split(whole, parts, size)

    taken = _take(pieces)
    assert taken.clocks == state.clocks
    assert taken.new_part(read_update(whole, DEPTH), DEPTH) is None
    assert _reader(*pieces).content() == _reader(whole).content()


@pytest.mark.parametrize("clients", [1, 3, 40, 900])
def test_whoever_wrote_behind_whom_every_part_fits_when_it_comes(clients: int) -> None:
    data = craft.woven(1000, clients)

    pieces = _split(data, 50)

    assert len(pieces) >= 20
    assert all(len(read_update(each, DEPTH, 100).sections) <= 10 for each in pieces)
    assert sum(_take(pieces).clocks.values()) == 1000
    assert _reader(*pieces).text() == _reader(data).text()


def test_deletions_come_with_what_they_delete_and_all_others_come_last() -> None:
    structs = [craft.string("ab"), *(craft.behind(4, wire.string("cd"), (5, 1)) for _ in range(9))]
    deletes = {5: [(1, 2), (19, 4)], 7: [(0, 1)]}
    data = craft.update(craft.section(5, 0, *structs), deletes=deletes)

    pieces = [read_update(each, DEPTH) for each in _split(data, 5)]

    assert [each.deletes for each in pieces[:2]] == [[(5, 1, 2)], [(5, 2, 3)]]
    assert pieces[-1].sections == []
    assert {range_ for each in pieces for range_ in each.deletes} >= {
        (5, 19, 20),
        (5, 20, 23),
        (7, 0, 1),
    }


def test_many_deletions_of_one_struct_come_in_several_parts() -> None:
    deletes = {5: [(2 * at, 1) for at in range(1000)]}
    data = craft.update(craft.section(5, 0, craft.string("x" * 2000)), deletes=deletes)

    pieces = _split(data, 90)

    assert all(len(read_update(each, DEPTH).deletes) <= 30 for each in pieces)
    assert _take(pieces).new_part(read_update(data, DEPTH), DEPTH) is None


def test_what_builds_on_what_is_elsewhere_is_not_held_up_by_it() -> None:
    first = craft.woven(100, 3)
    state = _take([first])
    later = craft.section(1, state.clocks[1], *[craft.behind(4, wire.string("x"), (2, 5))] * 50)
    beside = craft.section(9, 0, *[craft.behind(4, wire.string("y"), (1, state.clocks[1] + 49))])

    pieces = _split(craft.update(beside, later), 10)

    assert _take(pieces, state).clocks[9] == 1


def test_structs_that_wait_for_each_other_come_last_and_are_a_gap() -> None:
    one = [craft.string("x"), craft.behind(4, wire.string("x"), (2, 1))]
    two = [craft.string("x"), craft.behind(4, wire.string("x"), (1, 1))]
    data = craft.update(craft.section(1, 0, *one), craft.section(2, 0, *two))

    pieces = _split(data, 5)

    state = _take(pieces[:2])
    assert state.clocks == {1: 1, 2: 1}
    assert all(state.gap(read_update(each, DEPTH)) is not None for each in pieces[2:])


def test_a_skip_is_left_to_the_document() -> None:
    data = craft.update(craft.section(1, 0, craft.string("x"), craft.skip(3), craft.gc(2)))

    assert [read_update(each, DEPTH).data for each in _split(data, 100)] == [data]


@examples(30)
@given(steps)
def test_all_that_is_known_of_a_part_passes_between_processes(script: list[Step]) -> None:
    update = read_update(play(script).whole().doc.get_update(), DEPTH)

    assert decode_part(encode_part(update)) == update
