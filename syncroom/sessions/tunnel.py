"""Sessions that carry the bytes of one TCP connection, in both directions, as they come."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, ClassVar

from syncroom.errors import SyncroomError
from syncroom.logs import about
from syncroom.protocol.frame import binary_frame
from syncroom.sessions.connection import CLOSE_RESTART, close_code, expire_later

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from syncroom.auth.participant import Participant
    from syncroom.sessions.connection import Connection

    Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
    """Connects to what lies at the other end; raises a `SyncroomError`."""

_log = logging.getLogger("syncroom.sessions.tunnel")

_PART_BYTES = 64 << 10
_UNSENT_BYTES_MAX = 256 << 10
"""For the other end; past it nothing more is read of the client."""

_CLOSE_NORMAL = 1000
_EMPTY_TEXT = b"\x81\0"
"""Clients take no text for bytes of the connection, and know from it that the tunnel is alive."""


class TunnelSession:
    """One tunnel. It is a `Session`.

    Args:
        connection: the client's socket, whose handshake is done.
        room_name: the room that the client's token is for.
        participant: who it is.
        dial: connects to the other end.
    """

    protocol: ClassVar[str] = "tunnel"

    def __init__(
        self, connection: Connection, room_name: str, participant: Participant, dial: Dial
    ) -> None:
        self.room_name = room_name
        self.participant = participant
        self._connection = connection
        self._writer: asyncio.StreamWriter | None = None
        self._loop = asyncio.get_running_loop()
        self._is_drained = asyncio.Event()
        self._is_drained.set()
        self._expiry = expire_later(self, participant.expires_at)
        self._draining: asyncio.Task[None] | None = None
        connection.session = self
        connection.hold()  # nobody takes what comes yet
        self._running = self._loop.create_task(self._run(dial))

    @property
    def is_lagging(self) -> bool:
        """Whether the client reads slower than it is sent to."""
        return not self._is_drained.is_set()

    def receive(self, message: bytes) -> None:
        """Pass on what the client sends."""
        assert self._writer is not None
        self._writer.write(message)
        unsent = self._writer.transport.get_write_buffer_size()
        if unsent > _UNSENT_BYTES_MAX and self._draining is None:
            self._connection.hold()
            self._draining = self._loop.create_task(self._drain(self._writer))

    def fail(self, error: SyncroomError) -> None:
        """End, and say why."""
        who = about(room=self.room_name, participant=self.participant.id)
        _log.info("ended a tunnel: %s", error, extra=who)
        self._connection.close(close_code(error), str(error))

    def keep_alive(self) -> None:
        """Say that it is alive: clients give up after a minute of silence."""
        self._connection.write(_EMPTY_TEXT)

    def pause(self) -> None:
        """Read no more of the other end."""
        self._is_drained.clear()

    def resume(self) -> None:
        """Read on."""
        self._is_drained.set()

    def restart(self) -> None:
        """The server stops."""
        self._connection.close(CLOSE_RESTART, "the server restarts")

    def end(self) -> None:
        """Let go of both ends."""
        self._connection.session = None
        self._running.cancel()
        if self._draining is not None:
            self._draining.cancel()
        if self._expiry is not None:
            self._expiry.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _run(self, dial: Dial) -> None:
        try:
            reader, self._writer = await dial()
        except SyncroomError as error:
            self.fail(error)
            return
        self._writer.transport.set_write_buffer_limits(_UNSENT_BYTES_MAX)
        self._connection.release()
        try:
            while data := await reader.read(_PART_BYTES):
                await self._is_drained.wait()
                self._connection.write(binary_frame(data))
        except OSError as error:
            _log.debug("the other end of a tunnel is lost: %s", error)
        self._connection.close(_CLOSE_NORMAL, "the other end closed the connection")

    async def _drain(self, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.drain()
        except OSError:
            return  # what reads it ends the tunnel
        self._draining = None
        self._connection.release()
