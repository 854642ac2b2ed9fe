"""Awareness: entries as y-protocols writes them, and states that every client can parse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol import awareness
from syncroom.protocol.awareness import ENTRIES_MAX, GONE, Entry
from tests.properties import examples
from tests.support import wire

NUMBERS = st.integers(0, 2**53 - 1)
entries = st.lists(
    st.builds(Entry, client=NUMBERS, clock=NUMBERS, state=st.text(max_size=30)),
    max_size=5,
    unique_by=lambda entry: entry.client,
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@examples(100)
@given(entries)
def test_entries_are_read_as_they_were_written(given_entries: list[Entry]) -> None:
    assert awareness.decode(awareness.encode(given_entries)) == given_entries


def test_what_another_writer_writes_is_read() -> None:
    data = wire.states(wire.State(7, 3, {"user": "ann"}), wire.State(2**53 - 1, 0, None))

    assert awareness.decode(data) == [
        Entry(7, 3, '{"user": "ann"}'),
        Entry(2**53 - 1, 0, GONE),
    ]


@examples(100)
@given(entries.filter(bool), st.data())
def test_every_truncation_and_every_trailing_byte_is_refused(
    given_entries: list[Entry], data: st.DataObject
) -> None:
    encoded = awareness.encode(given_entries)
    length = data.draw(st.integers(0, len(encoded) - 1))

    for broken in (encoded[:length], encoded + b"\0"):
        with pytest.raises(Malformed):
            awareness.decode(broken)


@pytest.mark.parametrize("count", [1, 2**29, 2**53 - 1])
def test_a_count_beyond_the_bytes_is_refused_before_anything_is_made_of_it(count: int) -> None:
    with pytest.raises(Malformed, match="announces"):
        awareness.decode(wire.varuint(count) + b"\0\0")


def test_an_update_holds_so_many_states_and_not_one_more() -> None:
    everybody = [Entry(client, 1, "{}") for client in range(ENTRIES_MAX + 1)]

    assert len(awareness.decode(awareness.encode(everybody[1:]))) == ENTRIES_MAX
    with pytest.raises(LimitExceeded):
        awareness.decode(awareness.encode(everybody))


@examples(100)
@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_a_state_is_read_as_it_was_written(state: dict[str, Any]) -> None:
    text = awareness.write_state(state)

    assert awareness.read_state(text, depth_max=64) == state
    assert json.loads(text) == state


def test_null_says_that_a_client_left() -> None:
    assert awareness.read_state(GONE, depth_max=64) is None


@pytest.mark.parametrize(
    "text",
    ["", "5", "true", '"a"', "[]", "{", "NaN", '{"a":1e999}', "undefined", '{"a":"\\ud800"}'],
)
def test_a_state_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        awareness.read_state(text, depth_max=64)


def test_a_message_about_nobody_keeps_a_connection_alive() -> None:
    assert awareness.decode(awareness.EMPTY) == []
