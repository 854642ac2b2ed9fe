"""
A WebSocket that an ASGI server carries.

The server frames by itself, so the frames that sessions write are taken apart again. It says no
more about a slow reader than that ``send`` takes its time: what it has not taken yet counts as
unsent, and a reader that takes less than `outbox_bytes_max` in `outbox_stalled_s_max` is let go.
Pings are the server's own affair.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from syncroom.protocol import frame
from syncroom.server.seated import CLOSE_S, SeatedConnection
from syncroom.sessions.connection import CLOSE_RESTART, CLOSE_TRY_LATER

if TYPE_CHECKING:
    from starlette.types import Receive, Send

    from syncroom.server.gate import Gate

_GONE = (OSError, RuntimeError)
"""The ways in which servers say that a connection is lost. A `TimeoutError` is an `OSError`."""


class AsgiConnection(SeatedConnection):
    """One connection, from the time it was accepted."""

    def __init__(self, gate: Gate, address: str) -> None:
        super().__init__(gate)
        self.is_open = True
        self.address = address
        self.write = self._write
        self._outbox: deque[bytes] = deque()
        self._unsent = 0
        """Bytes in the outbox."""
        self._is_paused = False
        self._farewell: tuple[int, str] | None = None
        """Close code and reason, once there is nothing more to say."""
        self._holds = 0
        self._has_unsent = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._life = asyncio.timeout(None)

    async def run(self, receive: Receive, send: Send) -> None:
        """Carry messages until the connection is lost, or was closed."""
        writing = self._loop.create_task(self._write_all(send))
        is_cut = False
        try:
            async with self._life:
                await self._read_all(receive)
        except TimeoutError:
            is_cut = True
        finally:
            self._forget()
            writing.cancel()
            await asyncio.wait([writing])
        if is_cut:  # servers keep a connection whose application says nothing
            with contextlib.suppress(*_GONE):
                async with asyncio.timeout(CLOSE_S):
                    await send({"type": "websocket.close", "code": CLOSE_TRY_LATER})

    def hold(self) -> None:
        self._holds += 1
        self._may_read.clear()

    def release(self) -> None:
        self._holds -= 1
        if not self._holds:
            self._may_read.set()

    def close(self, code: int, reason: str) -> None:
        self._leave()
        self._keepalive = b""
        self._farewell = code, reason.encode()[:120].decode(errors="ignore")
        self._has_unsent.set()
        self._may_read.set()
        self._again(CLOSE_S, self._cut)

    def abort(self) -> None:
        """Close it: ASGI knows no end without a word."""
        self.close(CLOSE_RESTART, "connect again")

    async def _read_all(self, receive: Receive) -> None:
        while True:
            await self._may_read.wait()
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            message = event.get("bytes")
            if self.session is None:
                continue
            if message is None:
                self._refuse_text()
            elif len(message) > self._limits.message_bytes_max:
                self._refuse_size(len(message))
            else:
                self.bytes_in += len(message)
                self.session.receive(message)

    def _write(self, frames: bytes) -> None:
        self._outbox.append(frames)
        self._unsent += len(frames)
        self._has_unsent.set()
        if self._unsent > self._limits.outbox_bytes_max and not self._is_paused:
            self._is_paused = True
            if self.session is not None:
                self.session.pause()

    async def _write_all(self, send: Send) -> None:
        try:
            while self._farewell is None or self._outbox:
                await self._has_unsent.wait()
                self._has_unsent.clear()
                while self._outbox:
                    await self._send(self._outbox.popleft(), send)
            code, reason = self._farewell
            await send({"type": "websocket.close", "code": code, "reason": reason})
        except _GONE:
            self._cut()

    async def _send(self, frames: bytes, send: Send) -> None:
        limits, taken = self._limits, 0
        for message in frame.messages(frames):
            # what was sent last may still be on its way out of the server
            patience_s = limits.outbox_stalled_s_max * (1 + taken / limits.outbox_bytes_max)
            async with asyncio.timeout(patience_s):
                await send({"type": "websocket.send", "bytes": message})
            taken = len(message)
        self._unsent -= len(frames)
        if self._is_paused and self._unsent <= limits.outbox_bytes_max // 4:
            self._is_paused = False
            if self.session is not None:
                self.session.resume()

    def _cut(self) -> None:
        self._life.reschedule(self._loop.time())
