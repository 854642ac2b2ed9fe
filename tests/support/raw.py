"""
A client that speaks y-protocols by hand: what is sent is said byte by byte, nothing is hidden.

Everything received is kept in order. Waiting is for messages, never for time: the deadline only
makes a test fail that would otherwise hang.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import pycrdt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType

    from tests.support.wire import Message, State

WAIT_S_MAX = 60.0


class RawClient:
    """One WebSocket, and all messages that came out of it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.received: list[Message] = []
        self.frames: list[bytes] = []
        self.is_closed = False
        self.has_nothing = False
        """Whether it answers each of the server's questions by itself: that it has nothing."""
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        bearer: str | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Self:
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        socket = await connect(
            url,
            additional_headers=headers,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=WAIT_S_MAX,
            proxy=None,
        )
        return cls(socket)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _read(self) -> None:
        try:
            async for frame in self.socket:
                assert isinstance(frame, bytes), "the server sent a text frame"
                messages = wire.messages(frame)
                async with self._changed:
                    self.frames.append(frame)
                    self.received.extend(messages)
                    self._changed.notify_all()
                if self.has_nothing and any(message.kind == "step1" for message in messages):
                    await self.socket.send(wire.step2(wire.NOTHING))
        except ConnectionClosed:
            pass
        finally:
            async with self._changed:
                self.is_closed = True
                self._changed.notify_all()

    async def send(self, *frames: bytes) -> None:
        for frame in frames:
            await self.socket.send(frame)

    async def close(self) -> None:
        await self.socket.close()
        await self._reader

    async def cut(self) -> None:
        """Drop the connection as a dead network does: no close frame."""
        self.socket.transport.abort()
        await self._reader

    # -- waiting

    async def until(self, holds: Callable[[], bool], what: str = "what was waited for") -> None:
        """Wait for messages until ``holds`` does; a connection that closes before is an error."""
        try:
            async with asyncio.timeout(WAIT_S_MAX), self._changed:
                await self._changed.wait_for(lambda: holds() or self.is_closed)
        except TimeoutError:
            raise AssertionError(f"never: {what}; received {self.received[-20:]}") from None
        assert holds(), f"closed ({self.answer_on_close()}) before {what}"

    async def first(self, kind: str, after: int = 0) -> Message:
        """The first message of a kind, from the ``after``-th received message on."""

        def found() -> list[Message]:
            return [message for message in self.received[after:] if message.kind == kind]

        await self.until(lambda: bool(found()), kind)
        return found()[0]

    async def closed(self) -> tuple[int | None, str]:
        """Wait until the server has closed the connection; its code and reason."""
        try:
            async with asyncio.timeout(WAIT_S_MAX), self._changed:
                await self._changed.wait_for(lambda: self.is_closed)
        except TimeoutError:
            raise AssertionError(f"never closed; received {self.received[-20:]}") from None
        return self.answer_on_close()

    def answer_on_close(self) -> tuple[int | None, str]:
        return self.socket.close_code, self.socket.close_reason or ""

    async def round_trip(self) -> None:
        """Return once the server has answered a question sent now, hence all that came before."""
        seen = len(self.received)
        await self.send(wire.step1())
        await self.first("step2", after=seen)

    # -- what it saw

    def of_kind(self, kind: str) -> list[Message]:
        return [message for message in self.received if message.kind == kind]

    def told(self) -> list[Message]:
        """All messages that say something: not those that only keep the connection alive."""
        return [m for m in self.received if m.kind != "awareness" or m.states]

    def presence(self) -> dict[int, State]:
        """The last entry heard for each client, as y-protocols would keep it."""
        known: dict[int, State] = {}
        for message in self.of_kind("awareness"):
            for state in message.states:
                if _supersedes(state, known.get(state.client)):
                    known[state.client] = state
        return known

    def present(self) -> dict[int, wire.JSON]:
        return {client: s.value for client, s in self.presence().items() if s.value is not None}

    def updates(self) -> list[bytes]:
        return [m.payload for m in self.received if m.kind in ("step2", "update")]

    def document(self) -> pycrdt.Doc[Any]:
        """What the server has sent of the document, in the order it was sent."""
        document: pycrdt.Doc[Any] = pycrdt.Doc()
        for update in self.updates():
            document.apply_update(update)
        return document

    def text(self, name: str = "text") -> str:
        return str(self.document().get(name, type=pycrdt.Text))


def _supersedes(state: State, known: State | None) -> bool:
    """The rule of y-protocols: a higher clock, or a farewell at the same one."""
    if known is None or state.clock > known.clock:
        return True
    return state.clock == known.clock and state.value is None and known.value is not None


async def refusal(
    url: str, *, bearer: str | None = None
) -> tuple[list[Message], tuple[int | None, str]]:
    """What a client is told between opening a connection and seeing it closed."""
    async with await RawClient.open(url, bearer=bearer) as client:
        closed = await client.closed()
        return client.told(), closed


@asynccontextmanager
async def joined(url: str) -> AsyncIterator[RawClient]:
    """A client that has asked for the document and has it, and nothing besides."""
    async with await RawClient.open(url) as client:
        client.has_nothing = True
        await client.send(wire.step1())
        await client.first("step2")
        yield client
