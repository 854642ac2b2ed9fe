"""Tunnels: bytes to a service beside the server and back, for who may, and to nothing else."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from starlette.datastructures import Headers
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from syncroom.apis.containers import Containers
from syncroom.auth.keys import Keyring
from syncroom.auth.visitor import Visitor
from syncroom.backends import Backends
from syncroom.errors import NotFound
from syncroom.hooks import Hooks
from syncroom.limits import Limits
from syncroom.server.service import running
from syncroom.server.tunnels import Tunnels
from tests.apis.fakes import FakeCaller, ask
from tests.support import tokens
from tests.support.podman import IMAGE, Podman

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

    from tests.conftest import ServerFactory
    from tests.support.server import Server

WAIT_S = 20.0
SECRET = "the secret of a server with tunnels: 0123456789"
PORTS = {"ports": [{"container_port": 8080, "host_port": 0}]}
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
        ]
        for name, asked, token, status in refusals:
            with pytest.raises(InvalidStatus) as refused:
                async with asyncio.timeout(WAIT_S), tunnel(server, name, asked, **token):
                    pass
            assert refused.value.response.status_code == status, (name, asked, token)

    assert service.connections.empty()


async def test_what_is_not_there_closes_the_tunnel(start_server: ServerFactory) -> None:
    async with listening() as service:
        port = service.port
    server = start_server(backends=backends(service))

    for name, code in (("web", 1013), ("missing", 4404)):
        async with asyncio.timeout(WAIT_S), tunnel(server, name, port) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        assert client.close_code == code


async def test_a_container_is_reached_where_it_publishes_a_port(tmp_path: Path) -> None:
    podman = Podman()
    outside = Backends(container_engine=podman.url)
    token = tokens.mint(SECRET, room="demo", name="ann", role="user", api={"tunnels": {}})
    try:
        async with (
            asyncio.timeout(WAIT_S),
            running(tmp_path, SECRET, Limits(), Hooks(), outside) as service,
        ):
            containers = service.rooms.room("demo").apis.toolkits["containers"]
            assert isinstance(containers, Containers)
            wanted = {"image": IMAGE, "command": "sleep 1000", **PORTS}
            asked = ask(containers, "run", FakeCaller("ann"), wanted)
            await asked.over.wait()
            name = asked.answer["json"]["container_id"]
            tunnels = Tunnels(service.rooms, Keyring(SECRET, {}), {})
            _, _, dial = tunnels.find(Visitor(name, "81/", token, Headers(), {}, ""))

            assert 0 < await containers.published_port(name, 8080) < 1 << 16
            with pytest.raises(NotFound):
                await dial()
    finally:
        podman.close()
