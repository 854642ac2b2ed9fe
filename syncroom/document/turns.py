"""When the documents of a server pass on what they took: all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Turns:
    """Ends the turns of one event loop.

    A turn is what the loop reads from all its sockets, and reads once more before anything goes
    out: where many type, more of it goes with one write. To a lone update that adds microseconds.

    Args:
        loop: the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[Callable[[], None]] = []

    def at_end(self, do: Callable[[], None]) -> None:
        """Have something done when this turn ends."""
        if not self._due:
            self._loop.call_soon(self._read_again)
        self._due.append(do)

    def _read_again(self) -> None:
        self._loop.call_soon(self._end)

    def _end(self) -> None:
        due, self._due = self._due, []
        for do in due:
            try:
                do()
            except Exception as error:  # of one document; the others go on
                self._loop.call_exception_handler(
                    {"message": "the end of a turn failed", "exception": error}
                )
