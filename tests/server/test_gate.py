"""Connections over real sockets: who gets in, how the network may cut, and how they end."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import quote

import pytest
from websockets.frames import Opcode

from tests.protocol import craft
from tests.server.fakes import frame, handshake
from tests.server.local import WAIT_S_MAX, Local, RawSocket, dialled, gone, joined, local
from tests.support import wire

PONG, CLOSE = 10, 8


def _update(client: int, text: str) -> bytes:
    return wire.update(craft.update(craft.section(client, 0, craft.string(text))))


async def _text(server: Local, document: str = "notes") -> bytes:
    async with dialled(server, server.path(document, name="reader")) as raw:
        await raw.say(wire.step1())
        return (await raw.messages("step2"))[-1].payload


# -- who gets in


@pytest.mark.parametrize("way", ["query", "header", "subprotocol", "bare subprotocol"])
async def test_a_token_lets_in_wherever_it_is(way: str) -> None:
    async with local() as server:
        token = server.token()
        path = "/yjs/demo/notes"
        headers = {
            "query": [],
            "header": [f"Authorization: Bearer {token}"],
            "subprotocol": [f"Sec-WebSocket-Protocol: syncroom.{token}"],
            "bare subprotocol": [f"Sec-WebSocket-Protocol: yjs, {token}"],
        }[way]

        async with dialled(
            server, f"{path}?token={token}" if way == "query" else path, *headers
        ) as raw:
            await raw.say(wire.step1())
            assert [m.kind for m in await raw.messages("step1")] == ["step2", "step1"]
            if "subprotocol" in way:
                assert raw.headers["Sec-WebSocket-Protocol"].endswith(token)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"room": "other"}, 4403),
        ({"api": None}, 4403),
        ({"sync": ["elsewhere"]}, 4403),
        ({"ttl": -100.0}, 4401),
        ({"algorithm": "none"}, 4401),
    ],
)
async def test_a_token_that_does_not_grant_this_is_told_and_closed(
    claims: dict[str, Any], code: int
) -> None:
    async with local() as server, dialled(server, server.path(**claims)) as raw:
        messages = await raw.messages("denied")
        assert await raw.close_code() == code

        assert [message.kind for message in messages] == ["denied"]
        assert server.rooms.room("demo").documents == {}


async def test_two_authorization_headers_are_one_too_many_and_nothing_breaks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with local() as server:
        headers = [f"Authorization: Bearer {server.token()}", "Authorization: Bearer x"]
        async with dialled(server, "/yjs/demo/notes", *headers) as raw:
            assert raw.status.startswith("HTTP/1.1 101")
            await raw.say(wire.step1())
            await raw.messages("step2")
        await gone(server)

    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("path", ["/", "/yjs", "/other/demo/notes", "/api/rooms/demo/documents"])
async def test_no_websocket_is_opened_elsewhere(path: str) -> None:
    async with local() as server, dialled(server, path) as raw:
        assert raw.status.startswith("HTTP/1.1 404")
        await raw.end()

        assert server.gate.connections == set()


@pytest.mark.parametrize(
    "requested",
    [
        "/yjs/demo/a%20b/%C3%A9",
        "/yjs/demo/a%20b%2F%C3%A9",
        "/yjs/demo/./a%20b//e%CC%81",
        "//yjs/demo/a%20b/%c3%a9",
        "/yjs/%64emo/a%20b/%C3%A9",
    ],
)
async def test_all_spellings_of_a_path_are_one_document(requested: str) -> None:
    async with local() as server:
        token = server.token()
        async with dialled(server, f"/yjs/demo/{quote('a b/é')}?token={token}") as raw:
            await raw.say(wire.step1())
            await raw.messages("step1")
            await raw.say(_update(5, "here"))
            await raw.messages("update")

        async with dialled(server, f"{requested}?token={token}") as raw:
            await raw.say(wire.step1())
            assert b"here" in (await raw.messages("step2"))[-1].payload


@pytest.mark.parametrize("path", ["", "..", "a/../b", "%00", "a%5Cb", "%FF", "x" * 1025])
async def test_a_path_that_names_no_document_is_refused(path: str) -> None:
    async with local() as server:
        async with dialled(server, f"/yjs/demo/{path}?token={server.token()}") as raw:
            await raw.messages("denied")
            assert await raw.close_code() in (4403, 4404, 1007)

        assert server.rooms.room("demo").documents == {}


async def test_no_token_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with local() as server:
        good, bad = server.token(), server.token(room="other")
        async with joined(server, f"/yjs/demo/notes?token={good}") as raw:
            await raw.say(_update(5, "content"))
            await raw.messages("update")
        async with dialled(server, f"/yjs/demo/notes?token={bad}") as raw:
            await raw.close_code()
        async with dialled(server, f"/elsewhere?token={good}") as raw:
            await raw.end()

    for token in (good, bad):
        assert token.rpartition(".")[2] not in caplog.text


# -- how the network may cut


async def test_a_frame_that_comes_in_two_segments_is_taken_wherever_it_is_cut() -> None:
    async with local() as server, joined(server) as raw:
        whole = frame(wire.step1())

        for edge in range(1, len(whole)):
            await raw.send(whole[:edge])
            await raw.send(frame(b"", Opcode.PING)[:0])
            await raw.send(whole[edge:])
            assert (await raw.messages("step2"))[-1].kind == "step2"


async def test_many_frames_in_one_segment_are_answered_in_order() -> None:
    async with local() as server, joined(server) as raw:
        await raw.send(
            frame(b"1", Opcode.PING)
            + frame(_update(5, "x"))
            + frame(b"2", Opcode.PING)
            + frame(wire.step1())
            + frame(b"3", Opcode.PING)
        )
        heard = []
        while (PONG, b"3") not in heard:
            heard.append(await raw.frame())

        assert [data for opcode, data in heard if opcode == PONG] == [b"1", b"2", b"3"]
        assert b"x" in next(data for opcode, data in heard if opcode == 2)


async def test_a_message_in_fragments_with_pings_between_is_taken() -> None:
    async with local() as server, joined(server) as raw:
        message = _update(5, "in fragments")
        await raw.send(
            frame(message[:7], fin=False),
            frame(b"p", Opcode.PING),
            frame(message[7:9], Opcode.CONT, fin=False),
            frame(message[9:], Opcode.CONT),
        )

        assert await raw.frame() == (PONG, b"p")
        assert (await raw.messages("update"))[-1].payload == message[3:]


async def test_the_handshake_may_come_in_pieces() -> None:
    async with local() as server, dialled(server, None) as raw:
        request = handshake(server.path())
        for edge in range(0, len(request), 50):
            await raw.send(request[edge : edge + 50])
        assert b" 101 " in await raw.reader.readuntil(b"\r\n\r\n")

        await raw.say(wire.step1())
        await raw.messages("step1")


# -- how connections end


async def test_who_half_closes_is_gone() -> None:
    async with local() as server, joined(server) as raw:
        raw.writer.write_eof()

        await raw.end()
        await gone(server)
        assert len(server.rooms.room("demo").participants) == 0


async def test_who_is_cut_off_is_gone_for_the_others_at_once() -> None:
    async with local() as server, joined(server) as reader:
        async with joined(server, server.path(name="ben")) as raw:
            await raw.say(wire.awareness(wire.State(9, 0, {})))
            await reader.messages("awareness")
            raw.writer.transport.abort()

            (farewell,) = await reader.messages("awareness")
            assert [(state.client, state.value) for state in farewell.states] == [(9, None)]


async def test_an_announced_size_beyond_the_limit_is_told_and_closed_with_1009() -> None:
    async with local(message_bytes_max=1000) as server, joined(server) as raw:
        await raw.send(b"\x82\xff" + (2**40).to_bytes(8, "big") + b"mask" + bytes(100))

        messages = await raw.messages("denied")
        assert "1000 are allowed" in messages[-1].reason
        assert await raw.close_code() == 1009


async def test_who_goes_on_sending_too_much_still_learns_why_it_is_closed() -> None:
    async with local(message_bytes_max=1000) as server, joined(server) as raw:
        flood = asyncio.create_task(raw.send(*[frame(bytes(100_000))] * 50))

        assert await raw.close_code() == 1009
        flood.cancel()


async def test_a_peer_that_answers_no_ping_is_cut_off() -> None:
    async with local(keepalive_s=0.1) as server, joined(server) as raw:
        heard = await raw.end()

        assert b"\x89\0" in heard
        assert b"\x82\x03\x01\x01\x00" in heard
        await gone(server)


async def test_a_peer_that_answers_pings_stays_and_hears_something_each_time() -> None:
    async with local(keepalive_s=0.1) as server, joined(server) as raw:
        pings = messages = 0
        async with asyncio.timeout(WAIT_S_MAX):
            while pings < 8:
                opcode, _ = await raw.frame()
                if opcode == 9:
                    pings += 1
                    await raw.send(frame(b"", Opcode.PONG))
                messages += opcode == 2

        assert messages >= 7


async def test_a_server_that_stops_puts_everything_on_disk_and_closes_with_1012() -> None:
    async with local() as server, joined(server) as raw:
        await raw.say(_update(5, "last words"))
        await raw.messages("update")
        server.stop()

        assert await raw.close_code() == 1012
        await raw.send(frame(b"\x03\xf4", Opcode.CLOSE))
        await raw.end()
        stored = await server.store.load("demo", "notes")
        assert stored is not None


async def test_a_refused_client_is_held_and_then_closed_though_it_goes_on_sending() -> None:
    async with local() as server, dialled(server, server.path(room="other")) as raw:
        await raw.send(*[frame(wire.step1())] * 20)

        assert await raw.close_code() == 4403
        assert server.rooms.room("demo").documents == {}


# -- slow readers


async def _fill(writer: RawSocket, *, megabytes: int) -> None:
    """Write so much that no socket's buffer holds it, and hear it confirmed."""
    text = "x" * 100_000
    clock = 0
    for _ in range(10 * megabytes):
        struct = craft.string(text) if not clock else craft.behind(4, wire.string(text), (5, 0))
        await writer.say(wire.update(craft.update(craft.section(5, clock, struct))))
        await writer.messages("update")
        clock += len(text)


async def test_a_slow_reader_is_sent_one_difference_and_misses_nothing() -> None:
    async with (
        local(outbox_bytes_max=100_000, outbox_stalled_s_max=60) as server,
        joined(server, server.path(name="slow")) as slow,
        joined(server, server.path(name="fast")) as writer,
    ):
        slow.reader._transport.pause_reading()  # type: ignore[attr-defined]  # it reads ahead
        await _fill(writer, megabytes=12)
        whole = await _text(server)
        slow.reader._transport.resume_reading()  # type: ignore[attr-defined]  # as above

        held, kinds = 0, []
        async with asyncio.timeout(WAIT_S_MAX):
            while held < 120 * 100_000:
                for message in wire.messages((await slow.frame())[1]):
                    kinds.append(message.kind)
                    held += message.payload.count(b"x")

        assert len(whole) >= held
        assert kinds.count("step2") == 1
        assert len(kinds) < 120
        await writer.say(wire.update(craft.update(craft.section(7, 0, craft.string("after")))))
        assert b"after" in (await slow.messages("update"))[-1].payload


async def test_a_reader_that_takes_nothing_is_cut_off_and_the_others_go_on() -> None:
    async with (
        local(outbox_bytes_max=100_000, outbox_stalled_s_max=0.5) as server,
        joined(server, server.path(name="dead")) as dead,
        joined(server, server.path(name="fast")) as writer,
    ):
        dead.reader._transport.pause_reading()  # type: ignore[attr-defined]  # it reads ahead
        room = server.rooms.room("demo")
        assert len(room.participants) == 2

        await _fill(writer, megabytes=12)

        async with asyncio.timeout(WAIT_S_MAX):
            while len(room.participants) > 1:
                await writer.say(wire.step1())
                await writer.messages("step2")
        assert len(server.gate.connections) == 1


async def test_what_is_written_in_the_turn_in_which_a_reader_begins_to_lag_arrives() -> None:
    """Confirmations cross the mark while another's change of the same turn waits to be sent."""
    async with (
        local(outbox_bytes_max=1000, outbox_stalled_s_max=60) as server,
        joined(server, server.path(name="ann")) as ann,
        joined(server, server.path(name="ben")) as ben,
    ):
        big = "x" * 3_000_000
        ann.reader._transport.pause_reading()  # type: ignore[attr-defined]  # it reads ahead
        for number in range(5):
            await ann.say(_update(100 + number, big))
        await ben.messages("update")
        for number in range(20):
            await ben.say(_update(200 + number, f"change {number}"))
        await ben.say(wire.step1())
        await ben.messages("step2")
        ann.reader._transport.resume_reading()  # type: ignore[attr-defined]  # as above

        missing = {f"change {number}".encode() for number in range(20)}
        async with asyncio.timeout(WAIT_S_MAX):
            while missing:
                _, data = await ann.frame()
                missing = {text for text in missing if text not in data}
