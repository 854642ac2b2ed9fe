"""What is read from the store once, when somebody first needs it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class ReadOnce:
    """Reads something once for all who ask; after a failure, whoever comes next tries again.

    Args:
        read: reads it.
    """

    def __init__(self, read: Callable[[], Coroutine[None, None, None]]) -> None:
        self._read = read
        self._reading: asyncio.Task[None] | None = None

    def begin(self) -> asyncio.Task[None]:
        """Begin to read, unless that was done."""
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())
            self._reading.add_done_callback(self._has_read)
        return self._reading

    async def done(self) -> None:
        """Wait until it is read; raises what reading raises."""
        await asyncio.shield(self.begin())

    def _has_read(self, reading: asyncio.Task[None]) -> None:
        if reading.cancelled() or reading.exception() is not None:
            self._reading = None
