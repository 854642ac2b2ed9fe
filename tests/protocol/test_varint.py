"""Numbers, bytes and texts: what is written is read back, and nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncroom.errors import Malformed
from syncroom.protocol import varint
from tests.properties import examples
from tests.support import wire

EDGES = [0, 1, 127, 128, 2**14 - 1, 2**14, 2**31 - 1, 2**32, 2**49, 2**53 - 1]


@examples(200)
@given(st.integers(0, varint.NUMBER_MAX))
@example(0)
@example(varint.NUMBER_MAX)
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    encoded = varint.encode(number)

    assert encoded == wire.varuint(number)
    assert varint.decode(b"?" + encoded + b"?", 1) == (number, 1 + len(encoded))


@pytest.mark.parametrize("number", [2**53, 2**53 + 1, 2**56 - 1, 2**63, 2**64 - 1])
def test_a_number_that_javascript_cannot_hold_is_refused(number: int) -> None:
    with pytest.raises(Malformed):
        varint.decode(wire.varuint(number), 0)


@pytest.mark.parametrize("number", EDGES)
def test_every_truncation_of_a_number_is_refused(number: int) -> None:
    encoded = varint.encode(number)

    for length in range(len(encoded)):
        with pytest.raises(Malformed):
            varint.decode(encoded[:length], 0)


def test_a_number_of_eight_bytes_is_read_and_one_of_nine_refused() -> None:
    assert varint.decode(b"\x81" + b"\x80" * 6 + b"\x00", 0) == (1, 8)
    with pytest.raises(Malformed):
        varint.decode(b"\x81" + b"\x80" * 7 + b"\x00", 0)


def test_a_number_without_end_is_refused_at_its_ninth_byte() -> None:
    with pytest.raises(Malformed, match="longer than 8 bytes"):
        varint.decode(b"\xff" * (1 << 20), 0)


@examples(100)
@given(st.binary(max_size=300))
def test_bytes_are_read_as_they_were_written(data: bytes) -> None:
    encoded = varint.encode_bytes(data)

    assert varint.decode_bytes(encoded + b"?", 0) == (data, len(encoded))


@examples(100)
@given(st.text(max_size=200))
def test_text_is_read_as_it_was_written(text: str) -> None:
    encoded = varint.encode_text(text)

    assert varint.decode_text(encoded + b"?", 0) == (text, len(encoded))


@pytest.mark.parametrize("length", [4, 2**31, 2**32 - 1, 2**53 - 1])
def test_a_length_beyond_the_end_is_refused(length: int) -> None:
    with pytest.raises(Malformed, match="are there"):
        varint.decode_bytes(varint.encode(length) + b"abc", 0)


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"a\x80"]
)
def test_text_that_is_not_utf8_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed, match="UTF-8"):
        varint.decode_text(varint.encode_bytes(raw), 0)
