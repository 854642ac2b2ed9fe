"""Packets and messages of the MeshAgent protocol, against bytes that its SDKs were seen to send."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol.meshagent import (
    SLICE_BYTES,
    Assembler,
    Message,
    encode,
    pack,
    read_content,
    unpack,
)
from tests.server.fakes import read_frames

LIST_TOOLKITS = [
    "00000000000000010000000000000001726f6f6d2e6c6973745f746f6f6c6b697473",
    "00000000000000010000000100000000000000277b225f5f6d6573686167656e745f5f223a"
    "207b2276223a20312c20226f74656c223a207b7d7d7d",
]
"""As ``meshagent-api`` 0.56.0 sends it: a header without anything but its tracing."""


def _packets(number: int, kind: str, body: bytes, slice_bytes: int) -> list[bytes]:
    """A message cut as small as a sender likes."""
    slices = [body[at : at + slice_bytes] for at in range(0, len(body), slice_bytes)]
    head = number.to_bytes(8, "big")
    first = head + bytes(4) + len(slices).to_bytes(4, "big") + kind.encode()
    return [first, *(head + i.to_bytes(4, "big") + each for i, each in enumerate(slices, 1))]


def _take(packets: list[bytes], bytes_max: int = 1 << 20) -> list[Message]:
    assembler = Assembler(bytes_max)
    taken = [assembler.take(packet) for packet in packets]
    return [message for message in taken if message is not None]


def test_what_the_python_sdk_sends_is_read() -> None:
    [message] = _take([bytes.fromhex(each) for each in LIST_TOOLKITS])

    assert message.number == 1
    assert message.kind == "room.list_toolkits"
    assert unpack(message.body, 64) == ({}, b"")


def test_what_the_typescript_sdk_packs_is_read() -> None:
    assert unpack(b"\0\0\0\0\0\0\0\7" + b'{"a":1}XYZ', 64) == ({"a": 1}, b"XYZ")


def test_bytes_are_as_the_sdks_have_them() -> None:
    frames = [data for _, data in read_frames(encode(1, "room_ready", b"abc"))]

    assert frames == [
        bytes.fromhex("00000000000000010000000000000001726f6f6d5f7265616479"),
        bytes.fromhex("000000000000000100000001616263"),
    ]


@pytest.mark.parametrize(
    ("size", "frames"),
    [
        (0, [21]),
        (5, [21, 17]),
        (SLICE_BYTES, [21, 12 + SLICE_BYTES]),
        (SLICE_BYTES + 1, [21, 12 + SLICE_BYTES, 13]),
    ],
)
def test_a_message_takes_as_few_packets_as_it_can(size: int, frames: list[int]) -> None:
    sent = [data for _, data in read_frames(encode(7, "hello", bytes(size)))]

    assert list(map(len, sent)) == frames


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**64 - 1),
            st.text(max_size=60),
            st.binary(max_size=300),
            st.integers(1, 64),
        ),
        max_size=5,
    )
)
def test_messages_come_whole_however_they_were_cut(
    messages: list[tuple[int, str, bytes, int]],
) -> None:
    packets = [packet for each in messages for packet in _packets(*each)]

    assert _take(packets) == [Message(number, kind, body) for number, kind, body, _ in messages]


@given(st.integers(0, 2**53), st.text(max_size=40), st.binary(max_size=1000))
def test_what_is_encoded_is_read_again(number: int, kind: str, body: bytes) -> None:
    sent = [data for _, data in read_frames(encode(number, kind, body))]

    assert _take(sent) == [Message(number, kind, body)]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=10), _JSON, max_size=5), st.binary(max_size=100))
def test_what_is_packed_is_unpacked(header: dict[str, object], payload: bytes) -> None:
    header.pop("__meshagent__", None)

    assert unpack(pack(header, payload), 64) == (header, payload)


def test_tracing_is_nobodys_data() -> None:
    header = {"mood": "good", "__meshagent__": {"v": 1, "otel": {}}}

    assert unpack(pack(header), 64)[0] == {"mood": "good"}


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_packets_are_read_or_refused(packets: list[bytes]) -> None:
    try:
        _take(packets, bytes_max=1000)
    except (Malformed, LimitExceeded):
        pass


@given(st.binary(max_size=60))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        header, _ = unpack(body, 64)
    except Malformed:
        return

    assert isinstance(header, dict)


@pytest.mark.parametrize(
    "packets",
    [
        [b""],
        [b"\0" * 11],
        [b"\0" * 15],
        [b"\0" * 11 + b"\1" + b"data of nothing"],
        [*_packets(1, "a", b"xy", 1)[:2], *_packets(2, "b", b"", 1)],
        [*_packets(1, "a", b"xy", 1)[:1], *_packets(2, "a", b"xy", 1)[1:]],
        [_packets(1, "a", b"xy", 1)[0], _packets(1, "a", b"xy", 1)[2]],
        [bytes(12) + b"\0\0\0\0" + b"\xff"],
    ],
    ids=["empty", "short", "no total", "no head", "mixed", "other", "skipped", "not UTF-8"],
)
def test_packets_that_make_no_message_are_refused(packets: list[bytes]) -> None:
    with pytest.raises(Malformed):
        _take(packets)


@pytest.mark.parametrize(
    "packets",
    [
        [bytes(12) + b"\xff\xff\xff\xff" + b"many"],
        [bytes(12) + b"\0\0\0\0" + b"x" * 600],
        _packets(1, "big", b"x" * 101, 50),
    ],
    ids=["packets", "type", "body"],
)
def test_a_message_has_bounds(packets: list[bytes]) -> None:
    with pytest.raises(LimitExceeded):
        _take(packets, bytes_max=100)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 7,
        b"\0\0\0\0\0\0\0\x09{}",
        b"\xff" * 8 + b"{}",
        b"\0\0\0\0\0\0\0\2[]",
        b"\0\0\0\0\0\0\0\2\xff\xff",
        pack({"deep": json.loads("[" * 70 + "]" * 70)}),
    ],
)
def test_a_body_without_a_header_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        unpack(body, 64)


@pytest.mark.parametrize("header", [None, 5, "text", ["list"]])
def test_a_content_is_an_object(header: object) -> None:
    with pytest.raises(Malformed):
        read_content(header, b"")
