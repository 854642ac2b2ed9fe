"""A server inside the test's own process, with documents in memory: its parts can be looked at."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

from syncroom.admission import Admission
from syncroom.auth.keys import Keyring
from syncroom.backends import Backends
from syncroom.contents import Contents
from syncroom.limits import Limits
from syncroom.rooms import Rooms
from syncroom.server.address import TrustedProxies
from syncroom.server.app import create_app
from syncroom.server.gate import Gate
from syncroom.server.handshake import HttpProtocol
from syncroom.server.http.llm import LlmProxy
from syncroom.server.websocket import WebSocketProtocol
from syncroom.store.memory import MemoryStore
from syncroom.store.quarantine import Quarantine
from tests.server.fakes import frame, handshake
from tests.support import tokens, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from syncroom.hooks import Hooks

SECRET = "the-secret-of-a-server-in-process-0123456789"
WAIT_S_MAX = 60.0


class InProcess(uvicorn.Server):
    """A server that says when it is up, and leaves the signals to the tests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Local:
    """What tests look at: the port, and the parts behind it."""

    def __init__(
        self, limits: Limits, hooks: Hooks | None = None, backends: Backends | None = None
    ) -> None:
        self.store = MemoryStore()
        self.rooms = Rooms(self.store, limits)
        self.keyring = Keyring(SECRET, {})
        self.contents = Contents(self.rooms, self.store, Quarantine(None))
        self.gate = Gate(
            self.rooms, Admission(self.keyring, limits, hooks), TrustedProxies("127.0.0.1")
        )
        backends = backends or Backends()
        self.llm = LlmProxy(self.rooms, self.keyring, backends)
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        config = uvicorn.Config(
            create_app(self.gate, self.contents, self.llm, backends),
            http=partial(HttpProtocol, limits),  # type: ignore[arg-type]  # as serve.py does
            ws=partial(WebSocketProtocol, self.gate),  # type: ignore[arg-type]  # as serve.py does
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = InProcess(config)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def run(self) -> None:
        await self._server.serve(sockets=[self.listener])
        await self.contents.close()
        await self.llm.close()

    async def up(self) -> None:
        await self._server.is_up.wait()

    def stop(self) -> None:
        self._server.should_exit = True

    def token(self, **claims: Any) -> str:
        """A token for everything in the room ``demo``, unless it says otherwise."""
        sync = claims.pop("sync", None)
        api = claims.pop("api", tokens.api_scope("user-default", sync))
        defaults: dict[str, Any] = {"room": "demo", "name": "ann", "role": "user"}
        return tokens.mint(SECRET, **(defaults | claims), api=api)

    def path(self, document: str = "notes", **claims: Any) -> str:
        return f"/yjs/demo/{document}?token={self.token(**claims)}"


@asynccontextmanager
async def local(
    *, hooks: Hooks | None = None, backends: Backends | None = None, **limits: float
) -> AsyncIterator[Local]:
    """A server that is up, and down afterwards."""
    server = Local(Limits.model_validate({"refusal_s": 0.01} | limits), hooks, backends)
    await server.store.open()
    running = asyncio.create_task(server.run())
    await server.up()
    try:
        yield server
    finally:
        server.stop()
        async with asyncio.timeout(WAIT_S_MAX):
            await running
        server.listener.close()


def http_client(server: Local) -> httpx.AsyncClient:
    """One that waits as long as tests do."""
    return httpx.AsyncClient(base_url=server.url, timeout=WAIT_S_MAX, trust_env=False)


class RawSocket:
    """A TCP connection that speaks WebSocket by hand, as slowly or wrongly as a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = ""
        self.headers: dict[str, str] = {}

    async def shake_hands(self, path: str, *headers: str) -> None:
        self.writer.write(handshake(path, *headers))
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        self.status, *lines = head.strip().split("\r\n")
        self.headers = dict(line.split(": ", 1) for line in lines)

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def say(self, message: bytes) -> None:
        await self.send(frame(message))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and content."""
        head = await self.reader.readexactly(2)
        length = head[1]
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(await self.reader.readexactly(size), "big")
        return head[0] & 15, await self.reader.readexactly(length)

    async def messages(self, kind: str) -> list[wire.Message]:
        """The messages up to the first one of a kind."""
        found: list[wire.Message] = []
        async with asyncio.timeout(WAIT_S_MAX):
            while all(message.kind != kind for message in found):
                opcode, data = await self.frame()
                if opcode == 2:
                    found += wire.messages(data)
                assert opcode != 8, f"closed: {data!r}"
        return found

    async def close_code(self) -> int:
        """Read until the server closes, and take the code."""
        async with asyncio.timeout(WAIT_S_MAX):
            while True:
                opcode, data = await self.frame()
                if opcode == 8:
                    return int.from_bytes(data[:2], "big")

    async def end(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(WAIT_S_MAX):
            return await self.reader.read()


@asynccontextmanager
async def dialled(server: Local, path: str | None, *headers: str) -> AsyncIterator[RawSocket]:
    """A connection, with its handshake done where a path is given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    raw = RawSocket(reader, writer)
    try:
        if path is not None:
            async with asyncio.timeout(WAIT_S_MAX):
                await raw.shake_hands(path, *headers)
        yield raw
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def joined(server: Local, path: str | None = None) -> AsyncIterator[RawSocket]:
    """A connection that has its document."""
    async with dialled(server, path or server.path()) as raw:
        await raw.say(wire.step1())
        await raw.messages("step1")
        yield raw


async def gone(server: Local) -> None:
    """Wait until the server knows of no connection: each round trip lets it look once more."""
    async with asyncio.timeout(WAIT_S_MAX):
        while server.gate.connections:
            async with dialled(server, None) as raw:
                raw.writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                await raw.end()
