"""
The last entries of a room's log, in memory.  State: `.room/logs`.

Whoever follows it reads at its own pace by the numbers of entries; one that is too slow finds
that the oldest are gone, and how many.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncroom.apis.live_map import LiveList
from syncroom.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.limits import Limits

_ENTRY_SHARE = 4
"""One entry may take so large a part of all: a few large ones do not push everything out."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a log.

    Args:
        time_ms: when it came, in milliseconds since 1970.
        kind: ``info``, ``warning``, ``error``, or whatever a participant calls it.
        data: what it says.
        name: whose it is; empty for the server's own.
    """

    time_ms: int
    kind: str
    data: Mapping[str, Any]
    name: str = ""
    encoded: bytes = field(init=False)
    """The data as JSON."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoded", json.dumps(self.data).encode())

    def shown(self) -> dict[str, object]:
        """What a reader of `.room/logs` sees."""
        whose = {"name": self.name} if self.name else {}
        return {"time": self.time_ms, "type": self.kind, **whose, "data": dict(self.data)}


class LogRing:
    """The entries of one room, numbered from 0 in the order they came."""

    def __init__(self, limits: Limits) -> None:
        self.map = LiveList(".room/logs", lambda: (each.shown() for each in self._entries))
        self.next_number = 0
        self._limits = limits
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    @property
    def first_number(self) -> int:
        """The number of the oldest entry that is left."""
        return self.next_number - len(self._entries)

    def append(self, entry: Entry) -> None:
        """Take an entry in, and let go of the oldest; raises `LimitExceeded`."""
        size, allowed = len(entry.encoded), self._limits.room_log_bytes_max // _ENTRY_SHARE
        if size > allowed:
            raise LimitExceeded(f"the entry has {size} bytes, {allowed} are allowed")
        self._entries.append(entry)
        self._bytes += size
        self.next_number += 1
        dropped = 0
        while self._is_too_much():
            self._bytes -= len(self._entries.popleft().encoded)
            dropped += 1
        self.map.append(entry.shown(), dropped)
        self._news.set()
        self._news = asyncio.Event()

    async def arrival(self, number: int) -> None:
        """Wait until the entry of a number has come; by then it may be gone."""
        while number >= self.next_number:
            await self._news.wait()

    def read(self, number: int) -> Entry:
        """The entry of a number that is there."""
        return self._entries[number - self.first_number]

    def _is_too_much(self) -> bool:
        limits = self._limits
        return (
            len(self._entries) > limits.room_log_entries_max
            or self._bytes > limits.room_log_bytes_max
        )
