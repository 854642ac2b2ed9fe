"""
Where WebSockets come in: which path speaks which protocol, and what all connections have in common.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from syncroom.errors import Unavailable
from syncroom.server.credentials import token_of
from syncroom.sessions import yjs
from syncroom.sessions.connection import CLOSE_RESTART

if TYPE_CHECKING:
    from websockets.http11 import Request

    from syncroom.auth.keys import Keyring
    from syncroom.rooms import Rooms
    from syncroom.server.websocket import WebSocketProtocol

_log = logging.getLogger("syncroom.server")


class Gate:
    """The connections of a server. Lives on one event loop."""

    def __init__(self, rooms: Rooms, keyring: Keyring) -> None:
        self.limits = rooms.limits
        self.connections: set[WebSocketProtocol] = set()
        self.refused: set[WebSocketProtocol] = set()
        """Those that were told why, and are held for a while before they are closed."""
        self._rooms = rooms
        self._keyring = keyring
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None
        self._tick_later()

    @staticmethod
    def knows(path: str) -> bool:
        """Whether there is an endpoint at the path of a request."""
        return path.partition("?")[0].lstrip("/").startswith("yjs/")

    def connect(self, connection: WebSocketProtocol, request: Request) -> None:
        """Seat a connection whose handshake is done, or refuse it."""
        raw_path, _, query = request.path.partition("?")
        _, room, path = (*raw_path.lstrip("/").split("/", 2), "", "")[:3]
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol")).split(",")
        authorization = next(iter(request.headers.get_all("Authorization")), None)
        jwt = token_of(authorization, query, [each.strip() for each in offered])
        yjs.connect(connection, _decode(room), _decode(path), jwt, self._rooms, self._keyring)

    def drain(self) -> None:
        """Put everything that arrived on disk, then close every connection."""
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self._rooms.flush()
        except Unavailable as error:
            _log.error("what arrived last could not be saved: %s", error)
        for connection in list(self.connections):
            connection.close(CLOSE_RESTART, "the server restarts")

    def _tick_later(self) -> None:
        self._loop.call_later(self.limits.keepalive_s, self._tick)

    def _tick(self) -> None:
        for connection in list(self.connections):
            connection.tick()
        self._tick_later()


def _decode(part: str) -> str:
    """A part of a URL as text; bytes that are none stay visible, and no path may hold them."""
    return unquote(part, errors="surrogateescape")
