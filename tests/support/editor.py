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

from syncroom.protocol.update import read_update
from tests.support import wire
from tests.support.raw import WAIT_S_MAX, RawClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from syncroom.protocol.update import Update


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

    The server echoes a client's update to it, byte by byte, once it is on disk. What the server
    says that it knows of it when the two meet again is on disk as well, and is not echoed. What
    somebody else brings of it, after the server lost it, comes as a sync step 2, and need not be.
    """

    def __init__(self, client_id: int | None = None) -> None:
        super().__init__(client_id)
        self.made: list[bytes] = []
        self.acknowledged = 0
        """How many of the updates made, from the first on, the server has on disk."""
        self.raw: RawClient | None = None
        self._ends: list[int] = []
        self._sent: dict[bytes, int] = {}
        self._unsent = 0
        self._heard = 0
        self._is_remote = False
        self._subscription = self.doc.observe(self._on_change)

    def _on_change(self, event: pycrdt.TransactionEvent) -> None:
        if self._is_remote:
            return
        after = wire.state_vector(event.after_state)  # type: ignore[attr-defined]  # not in stubs
        self.made.append(event.update)
        self._ends.append(after.get(self.client_id, 0))

    async def connect(self, url: str) -> None:
        """Open a socket, and take what the server has."""
        self.raw = await RawClient.open(url)
        self._heard = 0
        await self.raw.send(wire.step1(self.doc.get_state()))
        await self.raw.first("step2")
        # What was made until now is the answer to the server's question, not live traffic.
        self._unsent = len(self.made)
        await self.until(lambda: True)

    async def come_back(self, url: str) -> None:
        """The same, and answer the server, which asks once all that it has is on disk."""
        await self.connect(url)
        await self.socket.first("step1")
        await self.until(lambda: True)

    async def disconnect(self) -> None:
        if self.raw is not None:
            raw, self.raw = self.raw, None
            await raw.close()

    @property
    def socket(self) -> RawClient:
        assert self.raw is not None, "not connected"
        return self.raw

    async def flush(self) -> None:
        """Send what was changed since the last time."""
        while self._unsent < len(self.made):
            update = self.made[self._unsent]
            self._unsent += 1
            self._sent[update] = self._unsent
            await self.socket.send(wire.update(update))

    async def until(self, holds: Callable[[], bool], what: str = "a change") -> None:
        """Take in what arrives, and answer the server's questions, until ``holds``."""
        while True:
            await self._hear()
            if holds():
                return
            await self.socket.until(self._has_news, what)

    def _has_news(self) -> bool:
        return len(self.socket.received) > self._heard

    async def _hear(self) -> None:
        news = self.socket.received[self._heard :]
        self._heard += len(news)
        for message in news:
            self._take(message)
        for message in news:
            if message.kind == "step1":
                await self._answer(message.payload)

    def _take(self, message: wire.Message) -> None:
        if message.kind not in ("step2", "update"):
            return
        if message.kind == "update":  # what was typed in one turn comes back as one update
            self.acknowledged = max(self.acknowledged, self._sent.get(message.payload, 0))
            self._acknowledge(read_update(message.payload, 64))
        self._is_remote = True
        self.doc.apply_update(message.payload)
        self._is_remote = False

    def _acknowledge(self, echo: Update) -> None:
        for section in echo.sections:
            if section.client == self.client_id:
                while self.acknowledged < len(self.made) and self._is_known(
                    self.acknowledged, section.end
                ):
                    self.acknowledged += 1

    async def _answer(self, vector: bytes) -> None:
        known = wire.state_vector(vector).get(self.client_id, 0)
        while self.acknowledged < len(self.made) and self._is_known(self.acknowledged, known):
            self.acknowledged += 1
        missing = self.doc.get_update(vector)
        self._sent[missing] = len(self.made)
        await self.socket.send(wire.step2(missing))

    def _is_known(self, number: int, known: int) -> bool:
        """A state vector tells of what was inserted, never of what was deleted."""
        start = self._ends[number - 1] if number else 0
        return start < self._ends[number] <= known

    async def until_acknowledged(self) -> None:
        await self.until(lambda: self.acknowledged == len(self.made), "the echo of its updates")

    def finish_hearing(self) -> None:
        """Take in what had arrived before the connection was lost."""
        for message in self.socket.received[self._heard :]:
            self._take(message)
        self._heard = len(self.socket.received)
