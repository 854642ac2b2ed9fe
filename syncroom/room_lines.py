"""
The server's own log lines that concern a room, passed on to the log of that room.

Participants read them, so they are those without a trace, the address of anybody, and the path of
any document: grants may hide documents.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from syncroom.logs import without_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    Note = Callable[[str, str, dict[str, Any]], None]
    """Takes the name of a room, the type of an entry, and what it says."""

_PRIVATE = ("room", "address")


class RoomLines(logging.Handler):
    """Hands lines on, in a turn of the event loop of their own.

    Args:
        note: takes what is handed on.
    """

    def __init__(self, note: Note) -> None:
        super().__init__(logging.INFO)
        self._note = note
        self._loop = asyncio.get_running_loop()
        logging.getLogger("syncroom").addHandler(self)

    def close(self) -> None:
        """Hear no more lines."""
        logging.getLogger("syncroom").removeHandler(self)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, of any thread."""
        about: dict[str, object] = getattr(record, "about", {})
        room = about.get("room")
        if not isinstance(room, str) or "path" in about:
            return
        data: dict[str, Any] = {
            "message": without_tokens(record.getMessage()),
            "logger": record.name,
            **{name: value for name, value in about.items() if name not in _PRIVATE},
        }
        self._loop.call_soon_threadsafe(self._note, room, _kind(record.levelno), data)


def _kind(level: int) -> str:
    if level >= logging.ERROR:
        return "error"
    return "warning" if level >= logging.WARNING else "info"
