"""
The causal gate: whatever is delivered, in whatever order, what it lets through has no gap, no
overlap and nothing that is known, and ends at the document that the writers hold.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pycrdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.document.log import merge
from syncroom.document.state import DocumentState
from syncroom.errors import Malformed
from syncroom.protocol import state_vector
from syncroom.protocol.state_vector import CLOCK_MAX
from syncroom.protocol.update import read_update
from tests.properties import examples
from tests.protocol import craft
from tests.protocol.honest import Replica, Session, Step, play, steps, yjs_session
from tests.support import wire

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from syncroom.protocol.update import Update

DEPTH = 64


class Gate:
    """A document as the server decides about it: a state, and the log of what it let through."""

    def __init__(self) -> None:
        self.state = DocumentState()
        self.log: list[bytes] = []

    def take(self, data: bytes, *, partly: bool) -> Update | None:
        """Deliver an update; of one with a gap what is ready is taken, or nothing."""
        update = read_update(data, DEPTH)
        reached = self.state.gap(update)
        if reached is not None:
            if not partly:
                return None
            update = read_update(self.state.ready_part(update, reached), DEPTH)
            assert self.state.gap(update) is None
        new = self.state.new_part(update, DEPTH)
        if new is not None:
            self._check(new)
            self.state.apply(new)
            self.log.append(new.data)
        return new

    def _check(self, new: Update) -> None:
        assert self.state.gap(new) is None
        for section in new.sections:
            assert section.first == self.state.clocks.get(section.client, 0), "an overlap"

    def reader(self) -> Replica:
        """Somebody who is given the log as one update."""
        reader = Replica(98)
        reader.learn(merge(self.log))
        return reader

    def check_nothing_pends(self) -> None:
        vector = state_vector.decode(self.reader().doc.get_state())
        assert vector == self.state.clocks


def _gate(*updates: bytes) -> Gate:
    gate = Gate()
    for data in updates:
        assert gate.take(data, partly=False) is not None
    return gate


def _deletes(data: bytes) -> set[tuple[int, int]]:
    deletes = read_update(data, DEPTH).deletes
    return {(client, clock) for client, first, end in deletes for clock in range(first, end)}


def _deliveries(session: Session, rng: random.Random) -> Iterable[bytes]:
    """Changes shuffled, doubled, dropped, merged and cut; answers to all kinds of questions."""
    updates = session.updates
    sources = [replica.doc.get_update() for replica in session.replicas]
    vectors = [replica.doc.get_state() for replica in session.replicas]
    for _ in range(2 * len(updates)):
        kind = rng.randrange(6)
        if kind < 3:
            yield rng.choice(updates)
        elif kind == 3:
            yield pycrdt.merge_updates(*rng.choices(updates, k=rng.randint(2, 4)))
        elif kind == 4:
            yield pycrdt.get_update(rng.choice(sources), rng.choice(vectors))
        else:
            yield rng.choice([*sources, *session.diffs])


# -- honest histories


@examples(60)
@given(steps, st.randoms(use_true_random=False))
def test_any_delivery_ends_at_the_document_that_the_writers_hold(
    script: list[Step], rng: random.Random
) -> None:
    session = play(script)
    if not session.updates:
        return
    gate = Gate()

    for data in _deliveries(session, rng):
        gate.take(data, partly=rng.random() < 0.5)
        if rng.random() < 0.1:
            gate.check_nothing_pends()
    for replica in session.replicas:
        gate.take(replica.doc.get_update(), partly=True)
    for replica in session.replicas:
        gate.take(replica.doc.get_update(), partly=True)

    whole = session.whole()
    gate.check_nothing_pends()
    assert gate.state.clocks == state_vector.decode(whole.doc.get_state())
    assert gate.reader().content() == whole.content()
    for replica in session.replicas:
        assert _deletes(merge(gate.log)) >= _deletes(replica.doc.get_update())


@examples(60)
@given(steps, st.randoms(use_true_random=False))
def test_what_is_known_changes_nothing(script: list[Step], rng: random.Random) -> None:
    session = play(script)
    gate = Gate()
    for replica in session.replicas:
        gate.take(replica.doc.get_update(), partly=True)
    for replica in session.replicas:
        gate.take(replica.doc.get_update(), partly=True)

    for data in (*session.updates, *session.diffs, merge(gate.log)):
        assert gate.take(data, partly=False) is None
        assert gate.state.gap(read_update(data, DEPTH)) is None


@examples(40)
@given(steps)
def test_a_stored_document_is_taken_up_where_it_was_left(script: list[Step]) -> None:
    session = play(script)
    gate = Gate()
    for replica in (*session.replicas, *session.replicas):
        gate.take(replica.doc.get_update(), partly=True)
    stored = merge(gate.log)

    again = DocumentState()
    update = read_update(stored, DEPTH)
    assert again.gap(update) is None
    again.apply(update)

    assert again.clocks == gate.state.clocks
    for data in (*session.updates, *session.diffs):
        assert again.new_part(read_update(data, DEPTH), DEPTH) is None


def test_a_session_of_yjs_is_taken_whole_and_known_afterwards() -> None:
    session = yjs_session()
    gate = Gate()
    for data, _ in session.states:
        gate.take(data, partly=True)
    for data in session.updates:
        gate.take(data, partly=True)
    for data in session.updates:
        gate.take(data, partly=True)

    assert gate.state.clocks == session.vector
    for data in (*session.updates, *session.diffs):
        assert gate.take(data, partly=False) is None
    gate.check_nothing_pends()


# -- what is ready


def _model(sections: dict[int, list[list[tuple[int, int]]]], barred: set[int]) -> dict[int, int]:
    """How far one-unit structs get when each is tried again until none moves."""
    reached = dict.fromkeys(sections, 0)
    moved = True
    while moved:
        moved = False
        for client, structs in sections.items():
            while client not in barred and reached[client] < len(structs):
                needs = structs[reached[client]]
                if not all(clock < reached.get(other, 0) for other, clock in needs):
                    break
                reached[client] += 1
                moved = True
    return reached


CLIENTS = (1, 2, 3, 4)
references = st.lists(st.tuples(st.sampled_from((*CLIENTS, 5)), st.integers(0, 4)), max_size=2)
webs = st.dictionaries(
    st.sampled_from(CLIENTS), st.lists(references, min_size=1, max_size=5), min_size=1
)


def _struct(client: int, clock: int, needs: list[tuple[int, int]]) -> bytes:
    marks = {0: 0, 1: 0x80, 2: 0xC0}[len(needs)]
    text = wire.string("x")
    if not needs:
        return craft.in_root(craft.STRING, text)
    return bytes([craft.STRING | marks]) + b"".join(map(craft.unit, needs)) + text


@examples(300)
@given(webs, st.sets(st.sampled_from(CLIENTS), max_size=1))
def test_what_is_ready_is_what_trying_again_and_again_reaches(
    web: dict[int, list[list[tuple[int, int]]]], barred: set[int]
) -> None:
    backward = {
        client: [
            [need for need in needs if need[0] != client or need[1] < clock]
            for clock, needs in enumerate(structs)
        ]
        for client, structs in web.items()
    }
    data = craft.update(
        *(
            craft.section(client, 0, *(_struct(client, *each) for each in enumerate(structs)))
            for client, structs in backward.items()
        )
    )
    expected = _model(backward, barred)
    is_whole = all(expected[client] == len(structs) for client, structs in backward.items())
    state = DocumentState()
    update = read_update(data, DEPTH)

    reached = state.gap(update, barred)

    assert (reached is None) == is_whole
    if reached is not None:
        assert reached == expected
        ready = read_update(state.ready_part(update, reached), DEPTH)
        assert {s.client: s.end for s in ready.sections} == {c: n for c, n in expected.items() if n}


def test_structs_that_wait_for_each_other_are_never_ready() -> None:
    gate = Gate()
    data = craft.update(
        craft.section(2, 0, craft.behind(4, b"\1x", (1, 0))),
        craft.section(1, 0, craft.behind(4, b"\1x", (2, 0))),
    )

    assert gate.take(data, partly=True) is None
    assert gate.state.clocks == {}


def test_a_skip_is_a_gap_until_what_it_skips_is_known() -> None:
    gate = Gate()
    tail = craft.behind(4, b"\1d", (5, 2))
    skipping = craft.update(craft.section(5, 0, craft.string("a"), craft.skip(2), tail))

    first = gate.take(skipping, partly=True)
    whole = craft.update(craft.section(5, 0, craft.string("abc")))
    gate.take(whole, partly=False)
    second = gate.take(skipping, partly=False)

    assert first is not None and [s.clocks for s in first.sections] == [[0, 1]]
    assert second is not None and [s.clocks for s in second.sections] == [[3, 4]]
    assert gate.reader().text() == "abcd"


def test_deletions_beyond_what_is_known_wait_and_the_others_are_taken() -> None:
    gate = _gate(craft.update(craft.section(5, 0, craft.string("abc"))))
    data = craft.update(deletes={5: [(1, 9)], 6: [(0, 4)]})

    refused = gate.take(data, partly=False)
    taken = gate.take(data, partly=True)

    assert refused is None
    assert taken is not None and taken.deletes == [(5, 1, 3)]
    assert gate.reader().text() == "a"


def test_the_known_part_of_a_struct_is_cut_off() -> None:
    gate = _gate(craft.update(craft.section(5, 0, craft.string("ab"))))

    new = gate.take(craft.update(craft.section(5, 0, craft.string("abcd"))), partly=False)

    assert new is not None and new.sections[0].clocks == [2, 4]
    assert gate.reader().text() == "abcd"


def test_deletions_of_known_units_are_all_that_is_new() -> None:
    whole = craft.update(craft.section(5, 0, craft.string("abcd")), deletes={5: [(1, 1)]})
    gate = _gate(whole)

    new = gate.take(
        craft.update(craft.section(5, 0, craft.string("abcd")), deletes={5: [(0, 3), (2, 1)]}),
        partly=False,
    )

    assert new is not None and new.sections == []
    assert new.deletes == [(5, 0, 1), (5, 2, 3)]


# -- hostile updates


@pytest.mark.parametrize("known", ["a", "a😀"])
def test_a_repetition_that_would_split_a_character_is_refused(known: str) -> None:
    state = DocumentState()
    units = len(known.encode("utf-16-le")) // 2
    state.apply(read_update(craft.update(craft.section(5, 0, craft.string(known))), DEPTH))
    shifted = "x" * (units - 1) + "😀y"

    update = read_update(craft.update(craft.section(5, 0, craft.string(shifted))), DEPTH)

    with pytest.raises(Malformed, match="half of a character"):
        state.new_part(update, DEPTH)


def test_a_question_in_the_middle_of_a_character_is_survived() -> None:
    data = craft.update(craft.section(5, 0, craft.string("a😀b")))

    for clock in range(6):
        answer = pycrdt.get_update(data, state_vector.encode({5: clock}))
        read_update(answer, DEPTH)


STRING_AT_0 = craft.update(craft.section(5, 0, craft.string("abcd")))
CHILD = craft.section(6, 0, craft.in_parent(4, b"\1x", (5, 1)))


@pytest.mark.parametrize(
    "data",
    [
        craft.update(CHILD),
        craft.update(craft.section(5, 0, *[craft.in_root(7, b"\0")] * 4), CHILD),
        craft.update(craft.section(5, 0, craft.gc(4)), CHILD),
        craft.update(craft.section(5, 0, craft.gc(5)), CHILD),
        craft.update(craft.section(5, 0, craft.in_root(1, b"\4")), CHILD),
        craft.update(CHILD, deletes={5: [(0, 4)]}),
    ],
    ids=[
        "as it is",
        "told to be a type",
        "told to be collected",
        "told to be collected, with more",
        "told to be deleted",
        "deleted in passing",
    ],
)
def test_a_parent_that_is_no_type_is_refused_whatever_is_said_of_it(data: bytes) -> None:
    state = DocumentState()
    state.apply(read_update(STRING_AT_0, DEPTH))
    update = read_update(data, DEPTH)
    assert state.gap(update) is None

    with pytest.raises(Malformed, match="no shared type"):
        state.new_part(update, DEPTH)


def test_a_deleted_text_does_not_become_a_parent() -> None:
    gate = _gate(STRING_AT_0, craft.update(deletes={5: [(0, 4)]}))

    with pytest.raises(Malformed, match="no shared type"):
        gate.take(craft.update(CHILD), partly=False)


@pytest.mark.parametrize(
    "parent",
    [
        craft.update(craft.section(5, 0, craft.gc(1), craft.in_root(7, b"\0"))),
        craft.update(craft.section(5, 0, craft.gc(2))),
        craft.update(craft.section(5, 0, craft.in_root(1, b"\3"))),
    ],
    ids=["a type", "collected", "deleted"],
)
def test_types_and_what_may_have_been_one_are_parents(parent: bytes) -> None:
    gate = _gate(parent)
    sections = [craft.section(6, 0, craft.in_parent(4, b"\1x", (5, 1)))]

    assert gate.take(craft.update(*sections), partly=False) is not None
    gate.check_nothing_pends()


def test_a_type_and_what_is_in_it_arrive_together() -> None:
    tree = (craft.in_root(7, b"\0"), craft.in_parent(4, b"\1x", (5, 0)))

    assert _gate(craft.update(craft.section(5, 0, *tree))).state.clocks == {5: 2}


def test_units_that_are_named_again_and_again_are_deleted_once() -> None:
    size = 100_000
    gate = _gate(
        craft.update(
            craft.section(5, 0, craft.string("x" * size)),
            deletes={5: [(clock, 1) for clock in range(0, size, 2)]},
        )
    )

    new = gate.take(craft.update(deletes={5: [(0, size)] * 10_000}), partly=False)

    assert new is not None and new.deletes == [(5, 0, size)]


def test_a_crowd_that_waits_for_one_who_comes_in_small_steps_is_not_asked_at_each() -> None:
    """Two clients each wait for the other's last step, and a crowd for the first one's end."""
    length, crowd = 20_000, 20_000
    left, right = 1, 2
    ahead = [craft.behind(4, b"\1x", (right, clock)) for clock in range(length)]
    behind = [craft.string("x")]
    behind += [craft.behind(4, b"\1x", (left, clock)) for clock in range(length)]
    waiting = craft.behind(4, b"\1x", (left, length - 1))
    data = craft.update(
        craft.section(left, 0, *ahead),
        craft.section(right, 0, *behind),
        *(craft.section(client, 0, waiting) for client in range(10, 10 + crowd)),
    )

    assert DocumentState().gap(read_update(data, DEPTH)) is None


def test_the_last_clock_of_all_is_reached_and_not_passed() -> None:
    gate = _gate(craft.update(craft.section(5, 0, craft.gc(CLOCK_MAX))))

    assert gate.state.clocks == {5: CLOCK_MAX}
    with pytest.raises(Malformed):
        read_update(craft.update(craft.section(5, CLOCK_MAX, craft.gc(1))), DEPTH)


def test_barred_clients_bring_nothing_new_but_what_is_known_passes() -> None:
    gate = _gate(STRING_AT_0)
    known = read_update(STRING_AT_0, DEPTH)
    longer = craft.string("abcdef")
    more = read_update(
        craft.update(craft.section(5, 0, longer), craft.section(6, 0, craft.string("x"))), DEPTH
    )

    assert gate.state.gap(known, {5}) is None
    reached = gate.state.gap(more, {5})

    assert reached == {5: 4, 6: 1}


def test_a_history_of_ten_thousand_clients_is_taken() -> None:
    clients = count(1000)
    sections = [craft.section(next(clients), 0, craft.string("x")) for _ in range(10_000)]

    assert len(_gate(craft.update(*sections)).state.clocks) == 10_000


# -- what an update with a gap waits for


def test_an_update_with_a_gap_waits_for_a_unit_that_it_builds_on() -> None:
    gate = Gate()
    first = craft.update(craft.section(1, 0, craft.string("ab")))
    later = craft.update(craft.section(2, 0, craft.behind(craft.STRING, wire.string("c"), (1, 1))))
    update = read_update(later, DEPTH)

    assert gate.state.missing(update) == (1, 1)
    assert not gate.state.has((1, 1))
    gate.take(first, partly=False)

    assert gate.state.has((1, 1))
    assert gate.state.missing(update) is None


def test_a_deletion_with_a_gap_waits_for_the_last_unit_that_it_deletes() -> None:
    gate = Gate()
    update = read_update(craft.update(deletes={1: [(0, 3)]}), DEPTH)

    assert gate.state.missing(update) == (1, 2)
    gate.take(craft.update(craft.section(1, 0, craft.string("abc"))), partly=False)

    assert gate.state.missing(update) is None


def test_a_deletion_of_a_text_with_many_holes_says_again_what_is_known() -> None:
    state = DocumentState()
    text = craft.update(craft.section(7, 0, craft.string("x" * 10_000)))
    holes = craft.update(deletes={7: [(2 * at, 1) for at in range(5000)]})
    for data in (text, holes):
        state.apply(read_update(data, DEPTH))

    few = state.new_part(read_update(craft.update(deletes={7: [(0, 100)]}), DEPTH), DEPTH)
    every = read_update(craft.update(deletes={7: [(0, 10_000)]}), DEPTH)
    many = state.new_part(every, DEPTH)

    assert few is not None and len(few.deletes) == 50
    assert many is every
    state.apply(many)
    assert state.new_part(every, DEPTH) is None
