"""Transfers of files whose client stops in the middle: they end, and leave and hold nothing."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.member import OPEN, Member, binary
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 60.0
URL = "/files/default/rooms/demo"
SIZE = 1 << 40
"""More than anybody sends in a test; it takes no room on the disk."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with little patience, and one large file."""
    server = Server(tmp_path_factory.mktemp("stalls") / "data", transfer_stalled_s_max=0.5)
    server.start()
    headers = {"Authorization": f"Bearer {server.token(scope='full')}"}
    stored = httpx.put(f"{server.url}{URL}/large", content=bytes(10_000), headers=headers)
    assert stored.status_code == 201, stored.text
    [blob] = server.data_dir.glob("files/*/*")
    os.truncate(blob, SIZE)
    yield server
    server.close()


async def join(server: Server) -> Member:
    return await Member.join(f"{server.ws_url}/rooms/demo?token={server.token(scope='full')}")


async def dial(server: Server, method: str, path: str, *headers: str) -> socket.socket:
    """A request by hand, over a socket that takes little."""
    lines = (f"{method} {URL}/{path} HTTP/1.1", "Host: x", *headers)
    credentials = f"Authorization: Bearer {server.token(scope='full')}"
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", server.port))
    await loop.sock_sendall(client, "\r\n".join((*lines, credentials, "", "")).encode())
    return client


async def everything(client: socket.socket) -> bytes:
    """All that comes up to the end of a connection."""
    came = b""
    try:
        while part := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
            came += part
    except ConnectionError:
        pass
    return came


def held(server: Server) -> list[str]:
    """Files of the room that the server has open, and those that are not whole."""
    folder = server.data_dir / "files"
    opened = [each for each in server.open_files() if str(folder) in each]
    return [*opened, *map(str, folder.glob("*/*.part"))]


async def let_go(server: Server) -> None:
    """Wait until it holds nothing; each round trip lets it look once more."""
    async with httpx.AsyncClient() as http:
        while held(server):
            await http.get(f"{server.url}/healthz")


async def test_an_upload_over_a_websocket_ends(served: Server) -> None:
    async with asyncio.timeout(WAIT_S), await join(served) as ann:
        await ann.begin("storage.upload", OPEN, "one")
        await ann.stream("one", binary({"kind": "start", "path": "half", "size": 2000}))
        await ann.stream("one", binary({"kind": "data"}), b"x" * 1000)
        chunks = await ann.over("one")
        there = await ann.invoke("storage.exists", {"path": "half"})

        assert "nothing came for 0.5 s" in chunks[-2]["text"]
        assert there.header["json"] == {"exists": False}
        assert held(served) == []


async def test_a_download_over_a_websocket_ends(served: Server) -> None:
    async with asyncio.timeout(WAIT_S), await join(served) as ann:
        await ann.begin("storage.download", OPEN, "one")
        start = {"kind": "start", "path": "large", "chunk_size": 1000}
        await ann.stream("one", binary(start))
        await ann.stream("one", binary({"kind": "pull"}))
        chunks = await ann.over("one")

        assert chunks[0]["headers"]["kind"] == "start"
        assert "nothing came for 0.5 s" in chunks[-2]["text"]
        assert held(served) == []


async def test_an_upload_over_http_ends(served: Server) -> None:
    async with asyncio.timeout(WAIT_S):
        client = await dial(served, "PUT", "half", "Content-Length: 2000")
        await asyncio.get_running_loop().sock_sendall(client, b"x" * 1000)
        answer = await asyncio.get_running_loop().sock_recv(client, 1000)
        client.close()

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert held(served) == []


async def test_a_download_over_http_ends(served: Server) -> None:
    async with asyncio.timeout(WAIT_S):
        client = await dial(served, "GET", "large")
        head = await asyncio.get_running_loop().sock_recv(client, 100)
        await let_go(served)
        rest = await everything(client)
        client.close()

        assert head.startswith(b"HTTP/1.1 200 ")
        assert len(rest) < SIZE


async def test_a_download_whose_reader_leaves_is_read_no_further(served: Server) -> None:
    async with asyncio.timeout(WAIT_S):
        client = await dial(served, "GET", "large")
        await asyncio.get_running_loop().sock_recv(client, 100)
        client.close()
        await let_go(served)
