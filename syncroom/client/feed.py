"""What comes in from a room and is read at a pace of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from syncroom.errors import LimitExceeded

if TYPE_CHECKING:
    from syncroom.errors import SyncroomError

T = TypeVar("T")

_WAITING_MAX = 10_000


class Feed(Generic[T]):
    """Items in the order in which they come, until there are no more; iterate to read them."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[tuple[T] | None] = asyncio.Queue()
        self._error: SyncroomError | None = None
        self._is_over = False

    def put(self, item: T) -> None:
        """Let an item be read."""
        if self._items.qsize() >= _WAITING_MAX:
            self.end(LimitExceeded(f"{_WAITING_MAX} items came and were not read; read faster"))
        elif not self._is_over:
            self._items.put_nowait((item,))

    def end(self, error: SyncroomError | None = None) -> None:
        """Let nothing more be read after what is there, and raise an error then."""
        if not self._is_over:
            self._is_over, self._error = True, error
            self._items.put_nowait(None)

    def __aiter__(self) -> Feed[T]:
        return self

    async def __anext__(self) -> T:
        item = await self._items.get()
        if item is not None:
            return item[0]
        self._items.put_nowait(None)  # the end stays the end
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration
