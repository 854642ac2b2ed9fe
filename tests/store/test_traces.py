"""Traces come back as they were, small, or not at all."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.errors import Malformed
from syncroom.protocol.varint import NUMBER_MAX
from syncroom.store.base import Trace
from syncroom.store.traces import decode_traces, encode_traces

CLOCKS = st.tuples(st.integers(0, 2**31 - 2), st.integers(1, 1000))
RANGES = st.tuples(st.integers(0, NUMBER_MAX), CLOCKS).map(
    lambda each: (each[0], each[1][0], sum(each[1]))
)
TRACES = st.builds(
    Trace,
    time_ms=st.integers(0, 2**42),
    participant=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    written=st.lists(RANGES, max_size=3).map(tuple),
    deleted=st.lists(RANGES, max_size=3).map(tuple),
)


@given(st.lists(TRACES, max_size=20))
def test_traces_come_back_as_they_were(traces: list[Trace]) -> None:
    assert decode_traces(encode_traces(traces)) == traces


def test_a_thousand_keystrokes_of_two_people_take_a_few_bytes_each() -> None:
    traces = [
        Trace(
            1_700_000_000_000 + 90 * at, f"person-{at // 7 % 2}", ((at // 7 % 2, at, at + 1),), ()
        )
        for at in range(1000)
    ]

    assert len(encode_traces(traces)) < 8000


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", zlib.compress(b""), zlib.compress(b"\0\0\1\0\5\0\0"), zlib.compress(b"\1")],
)
def test_what_are_no_traces_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_traces(data)
