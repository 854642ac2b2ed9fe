"""Readers that take nothing of what waits for them: after a while they are cut off."""

from __future__ import annotations

import asyncio


class StallWatch:
    """Watches one connection, while writing to it is paused.

    Args:
        transport: the connection.
        patience_s: how long its reader may take nothing.
    """

    __slots__ = (
        "_loop",
        "_patience_s",
        "_timer",
        "_transport",
    )

    def __init__(self, transport: asyncio.Transport, patience_s: float) -> None:
        self._transport = transport
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Writing is paused."""
        unsent = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(self._patience_s, self._check, unsent)

    def end(self) -> None:
        """Writing goes on, or the connection is lost."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self, unsent: int) -> None:
        if self._transport.get_write_buffer_size() >= unsent:
            self._transport.abort()
        else:
            self.begin()
