"""The messages of y-protocols, several to a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol import yjs
from syncroom.protocol.yjs import MESSAGES_MAX, Message
from tests.properties import examples
from tests.support import wire

bodies = st.binary(max_size=200)
messages = st.lists(
    st.one_of(
        st.builds(Message, st.just(yjs.SYNC), st.integers(0, 2), bodies),
        st.builds(Message, st.just(yjs.AWARENESS), st.just(0), bodies),
        st.just(Message(yjs.QUERY_AWARENESS, 0, b"")),
    ),
    min_size=1,
    max_size=5,
)


def _encode(message: Message) -> bytes:
    if message.kind == yjs.SYNC:
        return bytes([yjs.SYNC, message.step]) + wire.varbytes(message.body)
    if message.kind == yjs.AWARENESS:
        return wire.awareness_payload(message.body)
    return wire.QUERY


@examples(100)
@given(messages)
def test_all_messages_of_a_frame_are_read_in_order(given_messages: list[Message]) -> None:
    frame = b"".join(map(_encode, given_messages))

    assert list(yjs.read_messages(frame)) == given_messages


@examples(100)
@given(messages, st.data())
def test_a_frame_that_is_cut_gives_what_was_whole_and_is_refused_then(
    given_messages: list[Message], data: st.DataObject
) -> None:
    last = _encode(given_messages[-1])
    length = data.draw(st.integers(1, len(last)))
    frame = b"".join(map(_encode, given_messages))[:-length]
    reader = yjs.read_messages(frame)

    whole = [next(reader) for _ in given_messages[:-1]]

    assert whole == given_messages[:-1]
    if length < len(last) or not frame:
        with pytest.raises(Malformed):
            next(reader)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\0", b"\0\3\0", b"\2\0\0", b"\4\0", b"\x66\0", b"\0\2\5ab", b"\1\5ab", b"\xff" * 20],
    ids=[
        "empty",
        "no step",
        "unknown step",
        "auth from a client",
        "unknown type",
        "type 102",
        "update cut",
        "awareness cut",
        "no number",
    ],
)
def test_what_is_no_message_is_refused(frame: bytes) -> None:
    with pytest.raises(Malformed):
        list(yjs.read_messages(frame))


@examples(50)
@given(bodies)
def test_what_we_write_another_reader_reads(body: bytes) -> None:
    frame = yjs.step_1(body) + yjs.step_2(body) + yjs.update(body) + yjs.denied("why")

    assert wire.messages(frame) == [
        wire.Message("step1", body),
        wire.Message("step2", body),
        wire.Message("update", body),
        wire.Message("denied", reason="why"),
    ]


def test_a_frame_holds_so_many_messages_and_not_one_more() -> None:
    frame = wire.QUERY * MESSAGES_MAX

    assert len(list(yjs.read_messages(frame))) == MESSAGES_MAX
    with pytest.raises(LimitExceeded):
        list(yjs.read_messages(frame + wire.QUERY))


def test_the_keepalive_is_an_awareness_message_about_nobody() -> None:
    assert yjs.KEEPALIVE == bytes([1, 1, 0])
    assert wire.messages(yjs.KEEPALIVE)[0].states == ()
