"""
pycrdt-websocket's server on the websockets package: ``pycrdt_websocket_server.py PORT``.

Rooms are kept when their last client leaves, and the listening queue is long enough for a storm:
both are to its advantage. A connection that breaks while others are told something is no error.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from pycrdt.websocket import (  # type: ignore[import-not-found]  # it has an environment of its own
    WebsocketServer,
)
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection


class Channel:
    """What pycrdt-websocket wants to talk to."""

    def __init__(self, connection: ServerConnection, path: str) -> None:
        self.path = path
        self._connection = connection

    def __aiter__(self) -> Channel:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except ConnectionClosed:
            raise StopAsyncIteration from None

    async def recv(self) -> bytes:
        message = await self._connection.recv()
        return message if isinstance(message, bytes) else message.encode()

    async def send(self, message: bytes) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed:
            return


async def main(port: int) -> None:
    """Serve for ever."""
    async with WebsocketServer(auto_clean_rooms=False) as rooms:

        async def handle(connection: ServerConnection) -> None:
            assert connection.request is not None
            await rooms.serve(Channel(connection, connection.request.path))

        async with serve(handle, "127.0.0.1", port, max_size=None, backlog=4096):
            await asyncio.Future()


asyncio.run(main(int(sys.argv[1])))
