"""Tunnels: bytes to a service beside the server and back, for who may, and to nothing else."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from syncroom import RoomClient
from tests.support.podman import IMAGE, Podman
from tests.support.ports import hold_port, number_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.client import ClientConnection

    from tests.conftest import ServerFactory
    from tests.support.server import Server

WAIT_S = 60.0
ECHO = "nc -ll -p 8080 -e /bin/cat"
LARGE = os.urandom(3 << 20)


class Service:
    """Something that takes TCP connections."""

    def __init__(self) -> None:
        self.port = 0
        self.connections: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.Queue()
        )

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.put_nowait((reader, writer))


@asynccontextmanager
async def listening() -> AsyncIterator[Service]:
    service = Service()
    server = await asyncio.start_server(service.take, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    yield service
    server.close()


def tunnel(server: Server, name: str, port: object, **token: Any) -> connect:
    claims: dict[str, Any] = {"scope": {"tunnels": {}}, **token}
    headers = {"Authorization": f"Bearer {server.token(**claims)}"}
    url = f"{server.ws_url}/tunnel/{name}/{port}/"
    return connect(url, additional_headers=headers, compression=None)


def backends(service: Service) -> dict[str, str]:
    return {"tunnels": f'{{"web": [{service.port}]}}'}


async def _read(client: ClientConnection, size: int) -> bytes:
    """So many bytes; text that keeps the tunnel alive is passed over."""
    came = b""
    while len(came) < size:
        part = await client.recv()
        came += part if isinstance(part, bytes) else b""
    return came


async def _echo(server: Server, name: str, data: bytes) -> bytes:
    """What comes back of bytes from a container, once it listens."""
    while True:
        async with tunnel(server, name, 8080) as client:
            parts = [data[at : at + 65536] for at in range(0, len(data), 65536)]
            sending = asyncio.create_task(client.send(parts))
            try:
                return await _read(client, len(data))
            except ConnectionClosed:
                assert client.close_code == 1013
            finally:
                await asyncio.wait([sending])


async def test_bytes_pass_both_ways_and_either_end_closes(start_server: ServerFactory) -> None:
    async with listening() as service, asyncio.timeout(WAIT_S):
        server = start_server(backends=backends(service))
        async with tunnel(server, "web", service.port) as client:
            reader, writer = await service.connections.get()

            await client.send(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.write(b"welcome")
            assert await _read(client, 7) == b"welcome"

            writer.close()
            with pytest.raises(ConnectionClosed):
                await _read(client, 1)
            assert client.close_code == 1000

        async with tunnel(server, "web", service.port):
            reader, writer = await service.connections.get()
        assert await reader.read() == b""
        writer.close()


async def test_much_arrives_whole_though_nobody_reads_at_first(start_server: ServerFactory) -> None:
    async with listening() as service, asyncio.timeout(WAIT_S):
        server = start_server(backends=backends(service))
        async with tunnel(server, "web", service.port) as client:
            reader, writer = await service.connections.get()
            sending = asyncio.create_task(
                client.send([LARGE[at : at + 65536] for at in range(0, len(LARGE), 65536)])
            )
            assert await reader.readexactly(len(LARGE)) == LARGE
            await sending

            writer.write(LARGE)
            assert await _read(client, len(LARGE)) == LARGE
            writer.close()


async def test_who_may_not_or_asks_for_nothing_is_refused(start_server: ServerFactory) -> None:
    async with listening() as service:
        server, port = start_server(backends=backends(service)), service.port
        refusals: list[tuple[str, object, dict[str, Any], int]] = [
            ("web", port, {"scope": {}}, 403),
            ("web", port, {"scope": {"tunnels": {"ports": ["1"]}}}, 403),
            ("web", port, {"room": None}, 403),
            ("web", 1, {}, 404),
            ("web", "x", {}, 404),
            ("web", 70000, {}, 404),
            ("%2e%2e", port, {}, 404),
            ("missing", port, {}, 404),
        ]
        for name, asked, token, status in refusals:
            with pytest.raises(InvalidStatus) as refused:
                async with asyncio.timeout(WAIT_S), tunnel(server, name, asked, **token):
                    pass
            assert refused.value.response.status_code == status, (name, asked, token)

    assert service.connections.empty()


async def test_what_takes_no_connection_closes_the_tunnel(start_server: ServerFactory) -> None:
    with hold_port() as held:
        port = number_of(held)
        server = start_server(backends={"tunnels": f'{{"web": [{port}]}}'})

        async with asyncio.timeout(WAIT_S), tunnel(server, "web", port) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        assert client.close_code == 1013


async def test_bytes_pass_both_ways_to_a_port_that_a_container_publishes(
    start_server: ServerFactory,
) -> None:
    podman = Podman(netns="bridge")
    try:
        server = start_server(backends={"container_engine": podman.url})
        async with asyncio.timeout(3 * WAIT_S):  # an engine starts things slowly
            async with RoomClient(server.url, "demo", server.token(scope="full")) as room:
                wanted = {"image": IMAGE, "command": ECHO, "ports": [{"container_port": 8080}]}
                answer = await room.call("containers", "run", wanted)
                name = answer.header["json"]["container_id"]

                assert await _echo(server, name, LARGE[: 300 << 10]) == LARGE[: 300 << 10]
                for port, other in ((81, {}), (8080, {"room": "elsewhere"})):
                    async with tunnel(server, name, port, **other) as client:
                        with pytest.raises(ConnectionClosed):
                            await client.recv()
                    assert client.close_code == 4404
                await room.call("containers", "delete_container", {"container_id": name})
    finally:
        podman.close()
