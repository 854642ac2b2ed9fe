"""The WebSocket protocol class, byte by byte: whatever way the network cuts, messages are whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from syncroom.errors import LimitExceeded, Malformed
from syncroom.limits import Limits
from tests.properties import examples
from tests.server.fakes import MASK, Wired, frame, handshake

if TYPE_CHECKING:
    from tests.server.fakes import RecordingSession

PING, PONG, CLOSE, TEXT, CONT = 9, 10, 8, 1, 0


def _open(limits: Limits | None = None) -> tuple[Wired, RecordingSession]:
    wired = Wired(limits)
    session = wired.shake_hands()
    assert session is not None
    return wired, session


def _message(data: bytes, cuts: list[int], ping: bytes | None) -> bytes:
    """A message as one frame, or in fragments with a ping between them."""
    edges = sorted({cut % (len(data) + 1) for cut in cuts})
    if not edges:
        return frame(data)
    parts = [data[a:b] for a, b in zip([0, *edges], [*edges, len(data)], strict=True)]
    between = b"" if ping is None else frame(ping, Opcode.PING)
    frames = [frame(parts[0], fin=False)]
    frames += [frame(part, Opcode.CONT, fin=False) for part in parts[1:-1]]
    frames += [frame(parts[-1], Opcode.CONT)]
    return between.join(frames)


contents = st.sampled_from([0, 1, 125, 126, 127, 300, 65535, 65536]).map(lambda n: b"x" * n)
messages = st.tuples(
    contents | st.binary(max_size=40),
    st.one_of(st.just([]), st.lists(st.integers(0, 70_000), max_size=3)),
    st.none() | st.binary(max_size=5),
)


@examples(150)
@given(st.lists(messages, min_size=1, max_size=5), st.lists(st.integers(0, 300_000), max_size=8))
def test_messages_are_whole_however_they_are_fragmented_and_cut(
    sent: list[tuple[bytes, list[int], bytes | None]], cuts: list[int]
) -> None:
    async def scene() -> None:
        wired, session = _open()
        stream = b"".join(_message(*message) for message in sent)
        edges = sorted({cut % len(stream) for cut in cuts})

        wired.feed(*(stream[a:b] for a, b in zip([0, *edges], [*edges, len(stream)], strict=True)))

        assert session.messages == [data for data, _, _ in sent]
        assert all(opcode == PONG for opcode, _ in wired.written())
        assert wired.transport.end == ""

    asyncio.run(scene())


async def test_a_stream_cut_at_every_byte_is_taken() -> None:
    stream = frame(b"a" * 130) + frame(b"b") + frame(b"c" * 70_000) + frame(b"d")
    expected = [b"a" * 130, b"b", b"c" * 70_000, b"d"]
    edges = [*range(150), *range(len(stream) - 20, len(stream))]

    for edge in edges:
        wired, session = _open()
        wired.feed(stream[:edge], stream[edge:])
        assert session.messages == expected


async def test_a_stream_that_comes_in_single_bytes_is_taken() -> None:
    wired, session = _open()

    for byte in frame(b"x" * 200) + frame(b"") + frame(b"y"):
        wired.feed(bytes([byte]))

    assert session.messages == [b"x" * 200, b"", b"y"]


async def test_a_small_frame_that_was_cut_behind_a_large_one_is_taken_when_it_is_whole() -> None:
    wired, session = _open()
    large, small = frame(b"x" * 100_000), frame(b"small")

    wired.feed(large[:50_000], large[50_000:] + small[:3], small[3:])

    assert session.messages == [b"x" * 100_000, b"small"]


async def test_a_ping_is_answered_with_what_it_brought() -> None:
    wired, _ = _open()

    wired.feed(frame(b"are you there", Opcode.PING), frame(b"", Opcode.PONG))

    assert wired.written() == [(PONG, b"are you there")]


async def test_a_closing_handshake_is_answered_and_ends_the_connection() -> None:
    wired, session = _open()

    wired.feed(frame(b"\x03\xe8bye", Opcode.CLOSE))

    assert wired.written() == [(CLOSE, b"\x03\xe8bye")]
    assert wired.transport.end == "closed"
    assert session.calls == ["end"]


def _unmasked(data: bytes) -> bytes:
    return bytes([0x82, len(data)]) + data


BROKEN = {
    "not masked": _unmasked(b"12345678"),
    "not masked and short": _unmasked(b"1234"),
    "reserved bit": bytes([0xC2]) + frame(b"x")[1:],
    "all reserved bits": bytes([0xF2]) + frame(b"x")[1:],
    "unknown opcode": bytes([0x83]) + frame(b"x")[1:],
    "unknown control opcode": bytes([0x8B]) + frame(b"x")[1:],
    "a ping in fragments": bytes([0x09]) + frame(b"x")[1:],
    "a long ping": bytes([0x89]) + frame(b"x" * 126)[1:],
    "a fragment of nothing": frame(b"x", Opcode.CONT),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_frame_that_breaks_the_rules_ends_the_connection_with_1002(name: str) -> None:
    wired, session = _open()

    wired.feed(frame(b"good") + BROKEN[name])

    assert session.messages == [b"good"]
    ((opcode, reason),) = wired.written()
    assert (opcode, int.from_bytes(reason[:2], "big")) == (CLOSE, 1002)
    assert wired.transport.end == "closed"
    assert session.calls == ["end"]


async def test_a_text_frame_is_refused() -> None:
    wired, session = _open()

    wired.feed(frame(b"text", Opcode.TEXT))

    assert isinstance(session.errors[0], Malformed)
    assert wired.transport.is_paused
    assert wired.gate.refused == {wired.protocol}


@pytest.mark.parametrize(
    "head", [b"\xfe\x01\x00" + MASK, b"\xff" + (2**20).to_bytes(8, "big"), b"\xff" + b"\xff" * 8]
)
async def test_a_message_beyond_the_limit_is_refused_by_its_head_alone(head: bytes) -> None:
    wired, session = _open(Limits(message_bytes_max=255))

    wired.feed(frame(b"good") + b"\x82" + head)

    assert session.messages == [b"good"]
    assert isinstance(session.errors[0], LimitExceeded)


async def test_a_message_at_the_limit_is_taken() -> None:
    wired, session = _open(Limits(message_bytes_max=200))

    wired.feed(frame(b"x" * 200))

    assert session.messages == [b"x" * 200]


async def test_fragments_that_exceed_the_limit_together_end_the_connection_with_1009() -> None:
    wired, session = _open(Limits(message_bytes_max=200))

    wired.feed(frame(b"x" * 150, fin=False), frame(b"x" * 51, Opcode.CONT))

    ((opcode, reason),) = wired.written()
    assert (opcode, int.from_bytes(reason[:2], "big")) == (CLOSE, 1009)
    assert session.messages == []
    assert session.calls == ["end"]


async def test_fragments_without_content_are_not_kept() -> None:
    wired, session = _open()

    wired.feed(frame(b"", fin=False), *[frame(b"", Opcode.CONT, fin=False)] * 1000)
    wired.feed(frame(b"end", Opcode.CONT))

    assert session.messages == [b"end"]


async def test_nothing_is_taken_after_the_end() -> None:
    wired, session = _open()

    wired.protocol.close(1012, "the server restarts")
    wired.feed(frame(b"too late"))

    assert session.messages == []
    assert wired.written() == [(CLOSE, b"\x03\xf4the server restarts")]
    assert wired.gate.connections == {wired.protocol}
    wired.feed(frame(b"\x03\xf4", Opcode.CLOSE))
    assert wired.transport.end == "closed"


async def test_a_long_reason_is_cut_between_characters() -> None:
    wired, _ = _open()

    wired.protocol.close(1007, "é" * 100)

    ((_, reason),) = wired.written()
    assert reason[2:].decode() == "é" * 60


async def test_what_had_come_when_a_connection_was_held_is_taken_when_it_is_released() -> None:
    wired, session = _open()
    wired.protocol.hold()
    wired.protocol.hold()
    two = frame(b"two")

    wired.feed(frame(b"one") + two[:5])
    wired.protocol.release()
    await asyncio.sleep(0)
    assert session.messages == []
    wired.protocol.release()
    await asyncio.sleep(0)
    wired.feed(two[5:])

    assert session.messages == [b"one", b"two"]
    assert not wired.transport.is_paused


async def test_who_is_held_for_long_does_not_count_as_silent() -> None:
    wired, _ = _open()
    wired.protocol.hold()

    for _ in range(5):
        wired.protocol.tick()

    assert wired.transport.end == ""


async def test_a_close_frame_behind_what_was_refused_ends_the_connection_at_once() -> None:
    wired, _ = _open(Limits(refusal_s=0.001))

    wired.feed(frame(b"text", Opcode.TEXT) + frame(b"\x03\xe8", Opcode.CLOSE))
    async with asyncio.timeout(60):
        await wired.transport.ended.wait()

    assert wired.transport.end == "closed"


async def test_a_close_frame_behind_what_was_closed_for_ends_the_connection_at_once() -> None:
    wired, _ = _open(Limits(refusals_max=1))
    other, _ = _open()
    wired.gate.refused.add(other.protocol)

    wired.feed(frame(b"text", Opcode.TEXT) + frame(b"\x03\xe8", Opcode.CLOSE))

    assert wired.transport.end == "closed"


async def test_a_lost_connection_leaves_nothing_behind() -> None:
    wired, session = _open()
    wired.protocol.dismiss(4401, "no token")
    assert wired.state.connections == {wired.protocol}

    wired.protocol.connection_lost(None)

    assert session.calls == ["end"]
    assert wired.gate.connections == wired.gate.refused == wired.state.connections == set()


# -- the handshake


async def test_a_handshake_is_accepted_at_a_known_path() -> None:
    wired = Wired()

    wired.shake_hands("/known/room?token=x")

    assert wired.answer.startswith(b"HTTP/1.1 101 ")
    (arrival,) = wired.gate.arrivals
    assert (arrival.visitor.room, arrival.visitor.token) == ("room", "x")
    assert (arrival.host, arrival.is_secure) == ("localhost", False)
    assert b"Sec-WebSocket-Extensions" not in wired.answer


async def test_an_unknown_path_is_answered_with_404() -> None:
    wired = Wired()

    assert wired.shake_hands("/elsewhere") is None

    assert wired.answer.startswith(b"HTTP/1.1 404 ")
    assert wired.transport.end == "closed"
    assert wired.gate.connections == set()


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("syncroom.a.b.c", "syncroom.a.b.c"),
        ("yjs, meshagent-room.a.b.c", "meshagent-room.a.b.c"),
        ("a.b.c", "a.b.c"),
        ("yjs", None),
    ],
)
async def test_the_subprotocol_that_is_a_token_is_echoed(offered: str, chosen: str | None) -> None:
    wired = Wired()

    wired.shake_hands("/known", f"Sec-WebSocket-Protocol: {offered}")

    expected = f"Sec-WebSocket-Protocol: {chosen}\r\n".encode()
    assert (expected in wired.answer) == (chosen is not None)


async def test_compression_is_not_agreed_on() -> None:
    wired = Wired()

    wired.shake_hands("/known", "Sec-WebSocket-Extensions: permessage-deflate")

    assert b"permessage-deflate" not in wired.answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        handshake("/known").replace(b"Version: 13", b"Version: 99"),
        handshake("/known").replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        handshake("/known").replace(b"Upgrade: websocket", b"Upgrade: other"),
        b"POST" + handshake("/known")[3:],
        handshake("/known?" + "x" * 9000),
        handshake("/known", "Cookie: " + "x" * 9000),
        handshake("/known", *(f"X-{number}: x" for number in range(130))),
        b"\x00\x01\x02\r\n\r\n",
    ],
    ids=["version", "key", "upgrade", "method", "path", "header", "headers", "nonsense"],
)
async def test_a_handshake_that_is_none_is_refused(request_bytes: bytes) -> None:
    wired = Wired()

    wired.feed(request_bytes)

    assert wired.gate.arrivals == []
    assert wired.transport.end == "closed"


# -- ticks, stalls, stopping


async def test_a_peer_that_sends_nothing_for_three_ticks_is_cut_off() -> None:
    wired, session = _open()

    wired.protocol.tick()
    wired.protocol.tick()
    assert session.calls == ["keep alive"] * 2
    assert wired.written() == [(PING, b"")] * 2
    wired.protocol.tick()

    assert wired.transport.end == "aborted"


async def test_a_byte_between_ticks_keeps_a_peer() -> None:
    wired, _ = _open()

    for _ in range(5):
        wired.protocol.tick()
        wired.protocol.tick()
        wired.feed(frame(b"", Opcode.PONG)[:1])

    assert wired.transport.end == ""


async def test_a_reader_that_takes_nothing_while_writing_is_paused_is_cut_off() -> None:
    wired, session = _open(Limits(outbox_stalled_s_max=0.001))
    wired.transport.written += b"unsent"

    wired.protocol.pause_writing()
    async with asyncio.timeout(60):
        await wired.transport.ended.wait()

    assert session.calls == ["pause"]
    assert wired.transport.end == "aborted"


async def test_a_reader_that_takes_something_is_kept() -> None:
    wired, session = _open(Limits(outbox_stalled_s_max=0.001))
    wired.transport.written += b"x" * 500

    wired.protocol.pause_writing()
    async with asyncio.timeout(60):
        while wired.transport.written:
            del wired.transport.written[-1:]
            await asyncio.sleep(0)
    wired.protocol.resume_writing()

    assert session.calls == ["pause", "resume"]
    assert wired.transport.end == ""


async def test_stopping_holds_a_connection_and_drains_the_server() -> None:
    wired, _ = _open()

    wired.protocol.shutdown()

    assert wired.transport.is_paused
    assert wired.gate.drains == 1


async def test_one_refusal_too_many_is_closed_at_once() -> None:
    wired, _ = _open(Limits(refusals_max=1))
    other, _ = _open()
    wired.gate.refused.add(other.protocol)

    wired.protocol.dismiss(4401, "no token")

    assert wired.written() == [(CLOSE, b"\x11\x31no token")]
    assert wired.gate.refused == {other.protocol}


async def test_a_refused_client_is_held_and_then_closed() -> None:
    wired, session = _open(Limits(refusal_s=0.001))

    wired.protocol.dismiss(4401, "no token")
    assert wired.written() == []
    async with asyncio.timeout(60):
        await wired.transport.wrote.wait()

    assert wired.written() == [(CLOSE, b"\x11\x31no token")]
    assert not wired.transport.is_paused
    assert session.messages == []
