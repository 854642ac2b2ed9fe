"""
pycrdt clients: the published Provider over a WebSocket, and an editor that speaks by hand.

Positions are counted in characters here; pycrdt counts bytes of UTF-8.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import pycrdt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import wire
from tests.support.raw import WAIT_S_MAX, RawClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Notebook:
    """A pycrdt document with a text and a map, edited by character positions."""

    def __init__(self, client_id: int | None = None) -> None:
        self.doc: pycrdt.Doc[Any] = (
            pycrdt.Doc() if client_id is None else pycrdt.Doc(client_id=client_id)
        )

    @property
    def client_id(self) -> int:
        return self.doc.client_id

    def text_type(self, name: str = "text") -> pycrdt.Text:
        text: pycrdt.Text = self.doc.get(name, type=pycrdt.Text)
        return text

    def map_type(self, name: str = "map") -> pycrdt.Map[Any]:
        items: pycrdt.Map[Any] = self.doc.get(name, type=pycrdt.Map)
        return items

    def text(self, name: str = "text") -> str:
        return str(self.text_type(name))

    def map(self, name: str = "map") -> dict[str, Any]:
        return self.map_type(name).to_py() or {}

    def insert(self, at: int, text: str, name: str = "text") -> None:
        self.text_type(name).insert(self._bytes_to(at, name), text)

    def delete(self, at: int, length: int, name: str = "text") -> None:
        start, end = self._bytes_to(at, name), self._bytes_to(at + length, name)
        del self.text_type(name)[start:end]

    def format(self, at: int, length: int, attributes: dict[str, Any], name: str = "text") -> None:
        start, end = self._bytes_to(at, name), self._bytes_to(at + length, name)
        self.text_type(name).format(start, end, attributes)

    def _bytes_to(self, characters: int, name: str) -> int:
        return len(self.text(name)[:characters].encode())

    def vector(self) -> dict[int, int]:
        return wire.state_vector(self.doc.get_state())


class _SocketChannel:
    """What pycrdt's Provider asks of a transport."""

    def __init__(self, socket: ClientConnection, path: str) -> None:
        self._socket = socket
        self._path = path

    @property
    def path(self) -> str:
        return self._path

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except ConnectionClosed:
            raise StopAsyncIteration from None

    async def send(self, message: bytes) -> None:
        await self._socket.send(message)

    async def recv(self) -> bytes:
        frame = await self._socket.recv()
        assert isinstance(frame, bytes)
        return frame


class ProviderClient(Notebook):
    """A document that pycrdt's own Provider keeps in sync."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()
        self._subscription = self.doc.observe(lambda _event: self._changed.set())

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a change of the document makes ``holds`` true."""
        async with asyncio.timeout(WAIT_S_MAX):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def provider(url: str) -> AsyncIterator[ProviderClient]:
    """A client of pycrdt's Provider that is synced."""
    client = ProviderClient()
    async with connect(url, max_size=None, proxy=None) as socket:
        channel = _SocketChannel(socket, url.partition("?")[0])
        async with pycrdt.Provider(client.doc, channel) as running:
            async with asyncio.timeout(WAIT_S_MAX):
                await running.synced.wait()
            yield client


class Editor(Notebook):
    """
    An honest client by hand: it keeps every update it made, and knows which came back.

    The server echoes a client's update to it once it is on disk; ``acknowledged`` is how far its
    own updates have come back.
    """

    def __init__(self, client_id: int | None = None) -> None:
        super().__init__(client_id)
        self.made: list[bytes] = []
        self.raw: RawClient | None = None
        self._echo: pycrdt.Doc[Any] = pycrdt.Doc()
        self._heard = 0
        self._unsent: list[bytes] = []
        self._is_remote = False
        self._subscription = self.doc.observe(self._on_change)

    def _on_change(self, event: pycrdt.TransactionEvent) -> None:
        if self._is_remote:
            return
        self.made.append(event.update)
        self._unsent.append(event.update)

    async def connect(self, url: str) -> None:
        """Open a socket and exchange what either side lacks."""
        self.raw = await RawClient.open(url)
        self._echo = pycrdt.Doc()
        self._heard = 0
        self._unsent.clear()
        await self.raw.send(wire.step1(self.doc.get_state()))
        await self.raw.first("step1")
        await self.raw.first("step2")
        self.hear()

    async def disconnect(self) -> None:
        if self.raw is not None:
            raw, self.raw = self.raw, None
            await raw.close()

    @property
    def socket(self) -> RawClient:
        assert self.raw is not None, "not connected"
        return self.raw

    async def flush(self) -> None:
        """Send what was changed since the last time, and answer what the server asked."""
        unsent, self._unsent = self._unsent, []
        for update in unsent:
            await self.socket.send(wire.update(update))

    def hear(self) -> list[wire.Message]:
        """Take in what has arrived since the last time."""
        news = self.socket.received[self._heard :]
        self._heard += len(news)
        self._is_remote = True
        for message in news:
            if message.kind in ("step2", "update"):
                self.doc.apply_update(message.payload)
                self._echo.apply_update(message.payload)
        self._is_remote = False
        return news

    async def until(self, holds: Callable[[], bool], what: str = "a change") -> None:
        """Take in what arrives, answering step 1, until ``holds``."""
        while True:
            await self._answer(self.hear())
            if holds():
                return
            await self.socket.until(self._has_news, what)

    def _has_news(self) -> bool:
        return len(self.socket.received) > self._heard

    async def _answer(self, news: list[wire.Message]) -> None:
        for message in news:
            if message.kind == "step1":
                missing = self.doc.get_update(message.payload)
                await self.socket.send(wire.step2(missing))

    def acknowledged(self) -> int:
        """How many of its own units the server has echoed."""
        return wire.state_vector(self._echo.get_state()).get(self.client_id, 0)

    def written(self) -> int:
        return self.vector().get(self.client_id, 0)

    async def until_acknowledged(self) -> None:
        await self.until(lambda: self.acknowledged() >= self.written(), "the echo of its updates")
