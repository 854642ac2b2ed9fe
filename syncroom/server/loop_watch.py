"""How late the event loop is: what keeps it busy keeps every client waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from syncroom.metrics import Histogram

_EVERY_S = 0.25


class LoopWatch:
    """Wakes up regularly, and counts how much later than asked."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lag: Histogram) -> None:
        self._loop = loop
        self._lag = lag
        self._sleep()

    def close(self) -> None:
        """Wake up no more."""
        self._timer.cancel()

    def _sleep(self) -> None:
        self._due = self._loop.time() + _EVERY_S
        self._timer = self._loop.call_at(self._due, self._wake)

    def _wake(self) -> None:
        self._lag.observe(max(0.0, self._loop.time() - self._due))
        self._sleep()
