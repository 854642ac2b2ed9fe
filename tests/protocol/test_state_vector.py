"""State vectors: as pycrdt writes and reads them; bombs are refused before they go off."""

from __future__ import annotations

from typing import Any

import pycrdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol import state_vector
from syncroom.protocol.state_vector import CLOCK_MAX
from tests.properties import examples
from tests.protocol.honest import Step, play, steps
from tests.support import wire

vectors = st.dictionaries(st.integers(0, 2**53 - 1), st.integers(0, CLOCK_MAX), max_size=20)


@examples(100)
@given(vectors)
def test_a_vector_is_read_as_it_was_written(vector: dict[int, int]) -> None:
    encoded = state_vector.encode(vector)

    assert state_vector.decode(encoded) == vector
    assert wire.state_vector(encoded) == vector


def test_clients_are_written_in_descending_order_as_yjs_does() -> None:
    assert state_vector.encode({1: 2, 9: 4, 5: 6}) == bytes([3, 9, 4, 5, 6, 1, 2])


@examples(20)
@given(steps)
def test_what_pycrdt_writes_is_read_and_what_we_write_serves_it(script: list[Step]) -> None:
    session = play(script)
    whole = session.whole().doc

    for replica in session.replicas:
        vector = replica.doc.get_state()
        ours = state_vector.encode(state_vector.decode(vector))
        again: pycrdt.Doc[Any] = pycrdt.Doc()
        again.apply_update(replica.doc.get_update())
        again.apply_update(pycrdt.get_update(whole.get_update(), ours))
        reached = state_vector.decode(again.get_state())
        assert reached == state_vector.decode(whole.get_state())


@examples(100)
@given(vectors.filter(bool), st.data())
def test_every_truncation_and_every_trailing_byte_is_refused(
    vector: dict[int, int], data: st.DataObject
) -> None:
    encoded = state_vector.encode(vector)
    length = data.draw(st.integers(0, len(encoded) - 1))

    for broken in (encoded[:length], encoded + b"\0"):
        with pytest.raises(Malformed):
            state_vector.decode(broken)


@pytest.mark.parametrize("count", [1, 2**29, 2**32 - 1, 2**53 - 1])
def test_a_count_beyond_the_bytes_is_refused_before_anything_is_made_of_it(count: int) -> None:
    with pytest.raises(Malformed, match="announces"):
        state_vector.decode(wire.varuint(count))


@pytest.mark.parametrize(
    "entries",
    [
        b"\x01\x05" + wire.varuint(CLOCK_MAX + 1),
        b"\x01" + wire.varuint(2**53) + b"\x01",
        b"\x02\x05\x01\x05\x02",
        b"\x02\x05\x01\x85\x00\x02",
    ],
    ids=["clock beyond 31 bits", "client beyond 53 bits", "twice", "twice, spelled differently"],
)
def test_what_native_code_would_take_otherwise_is_refused(entries: bytes) -> None:
    with pytest.raises(Malformed):
        state_vector.decode(entries)


def test_a_vector_names_so_many_clients_as_are_allowed_and_no_more() -> None:
    encoded = state_vector.encode({1: 1, 2: 1, 3: 1})

    assert len(state_vector.decode(encoded, 3)) == 3
    with pytest.raises(LimitExceeded, match="3 clients, 2 are allowed"):
        state_vector.decode(encoded, 2)
