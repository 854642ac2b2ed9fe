"""The vet: all that honest implementations write passes, and what it reads is what they meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pycrdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol import state_vector
from syncroom.protocol.state_vector import CLOCK_MAX
from syncroom.protocol.update import (
    encode_delete_set,
    prefix,
    read_delete_set,
    read_keystroke,
    read_update,
)
from tests.properties import examples
from tests.protocol import craft
from tests.protocol.honest import Step, play, steps, yjs_session
from tests.support import wire

if TYPE_CHECKING:
    import random

    from syncroom.protocol.update import Update

DEPTH = 64


def _ends(update: Update) -> dict[int, int]:
    return {section.client: section.end for section in update.sections}


def _has_gaps(update: Update) -> bool:
    return any(section.first or len(section.needs) for section in update.sections)


# -- honest updates


@examples(60)
@given(steps, st.randoms(use_true_random=False))
def test_all_that_pycrdt_writes_passes(script: list[Step], rng: random.Random) -> None:
    session = play(script)
    updates = session.updates
    states = [replica.doc.get_update() for replica in session.replicas]
    vectors = [replica.doc.get_state() for replica in session.replicas]
    differences = [pycrdt.get_update(state, vector) for state in states for vector in vectors]
    chosen = [rng.sample(updates, rng.randint(2, len(updates))) for _ in range(len(updates) > 1)]
    merged = [pycrdt.merge_updates(*some) for some in chosen]

    for data in (*updates, *session.diffs, *states, *differences, *merged):
        read_update(data, DEPTH)


@examples(40)
@given(steps)
def test_a_whole_document_reaches_as_far_as_pycrdt_says(script: list[Step]) -> None:
    session = play(script)

    for replica in (*session.replicas, session.whole()):
        data = replica.doc.get_update()
        read = read_update(data, DEPTH)
        assert _ends(read) == state_vector.decode(pycrdt.get_state(data))
        assert _ends(read) == state_vector.decode(replica.doc.get_state())


@examples(40)
@given(steps)
def test_a_change_begins_and_ends_where_its_writer_says(script: list[Step]) -> None:
    replica = play([(0, *rest) for _, *rest in script]).replicas[0]  # type: ignore[misc]
    reached = 0

    for data in replica.made:
        read = read_update(data, DEPTH)
        for section in read.sections:
            assert (section.client, section.first) == (1, reached)
            reached = section.end

    assert {1: reached} == (state_vector.decode(replica.doc.get_state()) or {1: 0})


def test_the_delete_set_is_what_pycrdt_deleted() -> None:
    doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=5)
    text: pycrdt.Text = doc.get("text", type=pycrdt.Text)
    text += "0123456789"
    heard: list[pycrdt.TransactionEvent] = []
    subscription = doc.observe(heard.append)

    with doc.transaction():
        del text[1:3]
        del text[4:6]

    assert read_update(heard[0].update, DEPTH).deletes == [(5, 1, 3), (5, 6, 8)]
    doc.unobserve(subscription)


def test_all_that_yjs_writes_passes_and_reaches_as_far_as_yjs_says() -> None:
    session = yjs_session()

    for data in (*session.updates, *session.diffs):
        read_update(data, DEPTH)
    for data, vector in session.states:
        assert _ends(read_update(data, DEPTH)) == vector
        assert state_vector.decode(pycrdt.get_state(data)) == vector
    everything = pycrdt.merge_updates(*session.updates)
    assert _ends(read_update(everything, DEPTH)) == session.vector


def test_changes_of_yjs_follow_each_other_without_a_hole() -> None:
    reached: dict[int, int] = {}

    for data in yjs_session().updates:
        for section in read_update(data, DEPTH).sections:
            assert section.first == reached.get(section.client, 0)
            reached[section.client] = section.end

    assert reached == yjs_session().vector


# -- what the vet tells about an update


def test_types_parents_and_collected_units_are_named() -> None:
    data = craft.update(
        craft.section(7, 3, craft.in_root(7, b"\0"), craft.in_parent(4, wire.string("ab"), (7, 3))),
        craft.section(5, 0, craft.gc(2), craft.in_root(1, b"\3")),
        deletes={9: [(1, 2), (5, 1)]},
    )

    read = read_update(data, DEPTH)

    assert read.types == [(7, 3)]
    assert read.parents == [(7, 3)]
    assert read.gone == [(5, 0, 5)]
    assert read.deletes == [(9, 1, 3), (9, 5, 6)]
    assert read_delete_set(data, read.deletes_at) == (read.deletes, len(data))


def test_lengths_are_counted_in_utf16_units() -> None:
    data = craft.update(craft.section(5, 0, craft.string("aé中😀")))

    assert read_update(data, DEPTH).sections[0].end == 5


@pytest.mark.parametrize("text", ["a", "é", "中", "😀", "a\0b", "\U0010ffff"])
def test_needs_hold_the_first_clock_and_every_reference(text: str) -> None:
    structs = (craft.behind(4, wire.string(text), (9, 4)), craft.behind(4, b"\1x", (7, 3)))
    length = len(text.encode("utf-16-le")) // 2

    section = read_update(craft.update(craft.section(7, 3, *structs)), DEPTH).sections[0]

    assert section.needs == [(0, 7, 2), (3, 9, 4)]
    assert section.clocks == [3, 3 + length, 4 + length]


def test_a_skip_needs_what_it_skips() -> None:
    data = craft.update(craft.section(7, 0, craft.string("ab"), craft.skip(3), craft.string("c")))

    assert read_update(data, DEPTH).sections[0].needs == [(2, 7, 4)]


# -- what is refused

SUBDOC = craft.in_root(9, wire.string("guid") + b"\x76\x00")
ACCEPTED = {
    "gc": craft.gc(3),
    "deleted": craft.in_root(1, b"\3"),
    "binary": craft.in_root(3, wire.varbytes(b"\0\1")),
    "string": craft.string("text"),
    "embed": craft.in_root(5, wire.string('{"a":[1]}')),
    "format": craft.in_root(6, wire.string("bold") + wire.string("true")),
    "array": craft.in_root(7, b"\0"),
    "map": craft.in_root(7, b"\1"),
    "text": craft.in_root(7, b"\2"),
    "xml element": craft.in_root(7, b"\3" + wire.string("p")),
    "xml fragment": craft.in_root(7, b"\4"),
    "xml text": craft.in_root(7, b"\6"),
    "any": craft.in_root(8, b"\2\x7e\x7d\x05"),
    "subdocument": SUBDOC,
    "map entry": b"\x24\1" + wire.string("map") + wire.string("key") + wire.string("v"),
    "skip": craft.skip(2),
}
REFUSED = {
    "gc of length zero": craft.gc(0),
    "gc with marks": b"\x80" + craft.unit((5, 0)) + b"\1",
    "gc beyond 31 bits": craft.gc(CLOCK_MAX + 1),
    "skip of length zero": craft.skip(0),
    "skip with marks": b"\x2a\1",
    "deleted of length zero": craft.in_root(1, b"\0"),
    "legacy json": craft.in_root(2, b"\1" + wire.string("1")),
    "empty string": craft.string(""),
    "string not utf-8": craft.in_root(4, wire.varbytes(b"\xff")),
    "half a pair": craft.in_root(4, wire.varbytes(b"\xed\xa0\x80")),
    "embed not json": craft.in_root(5, wire.string("{")),
    "format not json": craft.in_root(6, wire.string("bold") + wire.string("NaN")),
    "embed too deep": craft.in_root(5, wire.string("[" * 65 + "]" * 65)),
    "any without values": craft.in_root(8, b"\0"),
    "any too deep": craft.in_root(8, b"\1" + b"\x75\1" * 65 + b"\x7e"),
    "any with too many": craft.in_root(8, wire.varuint(2**29) + b"\x7e"),
    "xml hook": craft.in_root(7, b"\5" + wire.string("hook")),
    "type of kind 7": craft.in_root(7, b"\7"),
    "type of a kind in two bytes": craft.in_root(7, b"\x81\0"),
    "kind 10 as an item": craft.in_root(10, b"\1"),
    "kind 11": craft.in_root(11, b"\1"),
    "kind 20, which some read as 4": craft.in_root(20, wire.string("x")),
    "kind 31": craft.in_root(31, b"\1"),
    "root neither named nor not": b"\4\2" + wire.string("t") + wire.string("x"),
    "refers to itself": craft.behind(4, b"\1x", (5, 0)),
    "refers forward": craft.behind(4, b"\1x", (5, 9)),
    "is its own parent": craft.in_parent(4, b"\1x", (5, 0)),
    "subdocument without options": craft.in_root(9, wire.string("guid")),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_every_known_struct_passes_in_python_and_in_native_code(name: str) -> None:
    data = craft.update(craft.section(5, 0, ACCEPTED[name], craft.string("after")))

    read = read_update(data, DEPTH)

    native = state_vector.decode(pycrdt.get_state(data))
    if name == "skip":
        assert native == {} or native[5] == 0
    else:
        assert native == _ends(read)
    pycrdt.merge_updates(data, data)


@pytest.mark.parametrize("name", ACCEPTED)
def test_no_truncation_of_any_struct_passes(name: str) -> None:
    data = craft.update(craft.section(5, 0, ACCEPTED[name]), deletes={5: [(0, 1)]})

    for length in range(len(data)):
        with pytest.raises(Malformed):
            read_update(data[:length], DEPTH)


@pytest.mark.parametrize("name", REFUSED)
def test_a_struct_that_somebody_chokes_on_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        read_update(craft.update(craft.section(5, 0, REFUSED[name])), DEPTH)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        craft.update() + b"\0",
        craft.update(craft.section(5, 0)),
        craft.update(craft.section(5, 0, craft.gc(1)), craft.section(5, 1, craft.gc(1))),
        craft.update(craft.section(5, CLOCK_MAX, craft.gc(1))),
        craft.update(craft.section(5, 0, craft.gc(CLOCK_MAX), craft.gc(1))),
        craft.update(craft.section(2**53, 0, craft.gc(1))),
        craft.update(deletes={5: [(0, 0)]}),
        craft.update(deletes={5: [(CLOCK_MAX, 1)]}),
        b"\0\2" + craft.delete_set({5: [(0, 1)]})[1:] * 2,
    ],
    ids=[
        "no bytes",
        "no delete set",
        "trailing bytes",
        "section without structs",
        "client twice",
        "clock at the end",
        "clocks beyond the end",
        "client beyond 53 bits",
        "deletion of nothing",
        "deletion at the end",
        "deletes a client twice",
    ],
)
def test_what_is_no_update_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_update(data, DEPTH)


def test_the_last_clock_of_all_can_be_written() -> None:
    data = craft.update(craft.section(5, CLOCK_MAX - 1, craft.gc(1)))

    assert read_update(data, DEPTH).sections[0].end == CLOCK_MAX


@pytest.mark.parametrize("count", [0, 2, 2**20, 2**31, 2**32 - 1, 2**53 - 1])
def test_no_count_is_believed(count: int) -> None:
    bombs = [
        wire.varuint(count) + craft.section(5, 0, craft.string("x")) + b"\0",
        b"\1" + wire.varuint(count) + b"\5\0" + craft.string("x") + b"\0",
        b"\0" + wire.varuint(count) + b"\5\1\0\1",
        b"\0\1\5" + wire.varuint(count) + b"\0\1",
        craft.update(craft.section(5, 0, craft.in_root(8, wire.varuint(count) + b"\x7e"))),
    ]

    for bomb in bombs:
        if bomb == b"\0\1\5\0\0\1" or bomb == b"\0\0\5\1\0\1":
            continue
        with pytest.raises(Malformed):
            read_update(bomb, DEPTH)


# -- parts of updates


@examples(40)
@given(steps)
def test_a_delete_set_is_written_as_it_was_read(script: list[Step]) -> None:
    read = read_update(play(script).whole().doc.get_update(), DEPTH)

    encoded = encode_delete_set(read.deletes)

    assert read_delete_set(encoded, 0) == (read.deletes, len(encoded))


@examples(60)
@given(steps, st.integers(0, 60), st.integers(0, 60))
def test_a_prefix_holds_the_whole_structs_before_a_clock(
    script: list[Step], near: int, far: int
) -> None:
    read = read_update(play(script).whole().doc.get_update(), DEPTH)
    reached = {s.client: (near, far)[index % 2] for index, s in enumerate(read.sections)}

    cut = read_update(prefix(read, reached) + b"\0", DEPTH)

    for section in read.sections:
        kept = [clock for clock in section.clocks if clock <= reached[section.client]]
        again = [each.clocks for each in cut.sections if each.client == section.client]
        assert again == ([kept] if len(kept) > 1 else [])


# -- keystrokes


def _spell(number: int, padding: int) -> bytes:
    """A number, longer by some bytes than it has to be."""
    encoded = wire.varuint(number)
    return encoded if not padding else encoded[:-1] + _pad(encoded[-1], padding)


def _pad(last: int, padding: int) -> bytes:
    return bytes([last | 128]) + b"\x80" * (padding - 1) + b"\0"


_edges = st.sampled_from([0, 1, 63, 127, 128, 300, 2**14, 2**21, CLOCK_MAX - 3, CLOCK_MAX, 2**31])
spelled = st.builds(
    _spell,
    _edges | st.integers(0, 2**53 - 1) | st.integers(0, 2**60),
    st.sampled_from([0, 0, 0, 0, 1, 2]),
)
texts = st.sampled_from([b"x", b"ab", b"\n", b"a" * 127, b"a" * 128, b"\xc3\xa9", b"\0", b""])
keystrokes = st.builds(
    lambda head, client, clock, info, numbers, size, text, tail: b"".join(
        (head, client, clock, info, *numbers, size, text, tail)
    ),
    st.sampled_from([b"\1\1", b"\1\1", b"\1\1", b"\1\2", b"\2\1", b"\x81\0\1"]),
    spelled,
    spelled,
    st.sampled_from([b"\x84", b"\xc4", b"\x44", b"\x04", b"\xa4", b"\x94"]),
    st.lists(spelled, min_size=2, max_size=4),
    st.sampled_from([b"\1", b"\1", b"\2", b"\x7f", b"\x80\1", b"\x81\0", b"\0"]),
    texts,
    st.sampled_from([b"\0", b"\0", b"\0", b"", b"\1\5\1\0\1", b"\0\0"]),
)


def _check_keystroke(data: bytes) -> bool:
    """Whether a keystroke is recognised; then the full reader has to see the same."""
    key = read_keystroke(data)
    if key is None:
        return False
    client, clock, left, left_clock, right, right_clock, text = key
    end = clock + len(text)
    units = [(left, left_clock)] if right is None else [(left, left_clock), (right, right_clock)]
    numbers = [wire.Reader(raw).varuint() for raw, _ in [(client, 0), *units]]
    referred = [(n, unit) for n, (_, unit) in zip(numbers[1:], units, strict=True)]
    try:
        section = read_update(data, DEPTH).sections[0]
    except Malformed:
        # the recogniser leaves to its caller what a document decides: how far clocks go
        assert (
            end > CLOCK_MAX
            or max(*numbers, *(unit for _, unit in units)) > 2**53 - 1
            or (numbers[0], True) in [(n, unit >= clock) for n, unit in referred]
        )
        return True
    assert (section.client, section.clocks) == (numbers[0], [clock, end])
    needs = [(0, section.client, clock - 1)] if clock else []
    needs += [(clock, *each) for each in referred if each[0] != section.client]
    assert section.needs == needs
    return True


@examples(500)
@given(keystrokes)
def test_the_recogniser_sees_in_a_keystroke_what_the_full_reader_sees(data: bytes) -> None:
    _check_keystroke(data)


def test_typing_is_recognised() -> None:
    doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=2**50)
    text: pycrdt.Text = doc.get("text", type=pycrdt.Text)
    made: list[bytes] = []
    subscription = doc.observe(lambda event: made.append(event.update))
    text += "a"

    for at in (1, 2, 1, 3):
        text.insert(at, "x")

    assert [_check_keystroke(data) for data in made] == [False, True, True, True, True]
    doc.unobserve(subscription)


def test_typing_of_yjs_is_recognised() -> None:
    recognised = sum(map(_check_keystroke, yjs_session().updates))

    assert recognised > 10


PARTS = {
    "structs": (craft.update(craft.section(5, 0, *[craft.gc(1)] * 3)), 7),
    "clients": (craft.update(*(craft.section(each, 0, craft.gc(1)) for each in (5, 6))), 10),
    "deletions": (craft.update(deletes={5: [(0, 1), (2, 1)]}), 9),
    "values": (craft.update(craft.section(5, 0, craft.in_root(8, b"\x08" + b"\x7e" * 8))), 7),
    "values in a list": (
        craft.update(craft.section(5, 0, craft.in_root(8, b"\x01\x75\x02\x7e\x7e"))),
        6,
    ),
    "JSON": (craft.update(craft.section(5, 0, craft.in_root(5, wire.string("[1,2,3]")))), 7),
}


@pytest.mark.parametrize("name", PARTS)
def test_an_update_has_so_many_parts_as_are_allowed_and_no_more(name: str) -> None:
    data, parts = PARTS[name]

    assert read_update(data, DEPTH, parts).data == data
    with pytest.raises(LimitExceeded, match=f"more than {parts - 1} parts"):
        read_update(data, DEPTH, parts - 1)
