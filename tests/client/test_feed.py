"""What comes in is read in order, and its end is told once and for all."""

from __future__ import annotations

import pytest

from syncroom.client import feed as module
from syncroom.client.feed import Feed
from syncroom.errors import LimitExceeded, Unavailable


async def test_items_are_read_in_order_and_then_the_end() -> None:
    feed: Feed[int] = Feed()
    feed.put(1)
    feed.put(2)
    feed.end()
    feed.put(3)

    assert [item async for item in feed] == [1, 2]
    assert [item async for item in feed] == []


async def test_an_error_comes_after_what_is_there_and_stays() -> None:
    feed: Feed[int] = Feed()
    feed.put(1)
    feed.end(Unavailable("lost"))
    feed.end()

    assert await anext(feed) == 1
    for _ in range(2):
        with pytest.raises(Unavailable, match="lost"):
            await anext(feed)


async def test_what_is_not_read_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING_MAX", 2)
    feed: Feed[int] = Feed()

    for item in range(4):
        feed.put(item)

    assert [await anext(feed), await anext(feed)] == [0, 1]
    with pytest.raises(LimitExceeded, match="read faster"):
        await anext(feed)
