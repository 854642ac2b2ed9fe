"""What anybody may send before it is known who they are: not for long, and not much."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.raw import WAIT_S_MAX, joined
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import ServerFactory

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
UPGRADE = (
    b"GET /yjs/demo/notes HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
ALLOWED = 16 << 10


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits little for requests, and still for honest ones on a busy machine."""
    server = Server(tmp_path_factory.mktemp("hasty") / "data", handshake_s_max=1.0)
    server.start()
    yield server
    server.close()


async def everything(server: Server, *parts: bytes) -> bytes:
    """What comes back for some bytes, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def padded(head: bytes, size: int) -> bytes:
    """A request of so many bytes."""
    padding = size - len(head) - len(b"X-Padding: \r\n\r\n")
    return head + b"X-Padding: " + b"x" * padding + b"\r\n\r\n"


async def test_requests_that_do_not_become_whole_are_closed(hasty: Server) -> None:
    half_a_body = HEAD + b"Content-Length: 9\r\n\r\nbody"
    parts = b"", b"G", HEAD, UPGRADE, b"\r\n", half_a_body

    await asyncio.gather(*(everything(hasty, part) for part in parts))

    async with joined(hasty.document_url("notes", hasty.token())):
        pass


async def test_a_request_that_drips_is_closed(hasty: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)

    async def drip() -> None:
        for letter in padded(HEAD, ALLOWED):
            writer.write(bytes([letter]))
            await writer.drain()
            async with joined(hasty.document_url("notes", hasty.token())):
                pass

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(WAIT_S_MAX):
        answer = await reader.read()
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_hundred_silent_sockets_keep_nobody_out(hasty: Server) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", hasty.port) for _ in range(100)]

    async with joined(hasty.document_url("notes", hasty.token())):
        pass

    for reader, writer in silent:
        async with asyncio.timeout(WAIT_S_MAX):
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("size", "status"), [(ALLOWED - 1, b"200"), (ALLOWED, b"200"), (ALLOWED + 1, b"431")]
)
async def test_a_request_has_a_largest_size(
    shared_server: Server, size: int, status: bytes
) -> None:
    request = padded(HEAD + b"Connection: close\r\n", size)

    answer = await everything(shared_server, request[:9], request[9:])

    assert answer.split(b" ", 2)[1] == status


@pytest.mark.parametrize(
    "line", [b"Authorization: Bearer %s", b"X: y\r\nSec-WebSocket-Protocol: %s"]
)
async def test_who_comes_with_a_token_that_is_too_long_is_told_and_does_not_come_again(
    shared_server: Server, line: bytes
) -> None:
    head = UPGRADE.replace(b"/yjs/demo/notes", b"/rooms/demo")

    answer = await everything(shared_server, head + line % (b"x" * 9000) + b"\r\n\r\n")
    query = head.replace(b"/rooms/demo", b"/rooms/demo?token=" + b"x" * 9000)
    too = await everything(shared_server, query + b"\r\n")

    for each in (answer, too):
        assert each.startswith(b"HTTP/1.1 403 ")
        assert b"8128 are allowed: use a shorter token" in each


async def test_who_sends_too_much_or_too_slowly_is_told_why(start_server: ServerFactory) -> None:
    server = start_server(handshake_s_max=0.2)
    body = b'{"token": "' + b"x" * ALLOWED
    ask = (
        b"POST /api/participant-token/validate HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"
    )

    large = await everything(server, ask, body)
    head = await everything(server, padded(HEAD, ALLOWED + 1))
    slow = await everything(server, ask)

    assert large.startswith(b"HTTP/1.1 413 ")
    assert large.endswith(b'"a request may have 16384 bytes, headers and body"}}')
    assert head.endswith(b'"a request may have 16384 bytes, headers and body"}}')
    assert slow.endswith(b'"the request did not come in time"}}')
    assert "ERROR" not in server.logs()


async def test_who_still_sends_what_was_refused_reads_why(shared_server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shared_server.port)
    head = (
        b"PUT /files/default/rooms/demo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    )

    async with asyncio.timeout(WAIT_S_MAX):
        writer.write(head)
        for _ in range(64):
            writer.write(bytes(1 << 16))
            await writer.drain()
        answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.endswith(b"}}")


async def test_who_leaves_in_the_middle_of_a_body_is_no_fault_of_the_servers(
    start_server: ServerFactory,
) -> None:
    server = start_server()
    token = server.token(scope="full").encode()
    upload = b"PUT /files/default/rooms/demo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    begun = upload + b"Authorization: Bearer " + token + b"\r\n\r\nhalf"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    writer.write(begun)
    await writer.drain()
    writer.write_eof()
    await reader.read()
    writer.close()
    server.terminate()

    assert "ERROR" not in server.logs()


async def test_a_megabyte_of_head_is_refused_when_the_first_part_of_it_is_there(
    shared_server: Server,
) -> None:
    await everything(shared_server, HEAD, *[b"X: " + b"x" * 4096 + b"\r\n"] * 256)

    async with joined(shared_server.document_url("notes", shared_server.token())):
        pass


async def test_one_connection_may_bring_one_request_after_another(
    start_server: ServerFactory,
) -> None:
    server = start_server(handshake_bytes_max=200)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    for _ in range(5):
        writer.write(HEAD + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(b'{"status":"ok"}'))

        assert head.startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_websocket_stays_open_when_the_time_for_its_handshake_is_over(
    hasty: Server,
) -> None:
    async with joined(hasty.document_url("notes", hasty.token())) as ann:
        await everything(hasty)  # returns when that time has passed for another

        await ann.round_trip()
