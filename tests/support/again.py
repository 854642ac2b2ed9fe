"""Bounds on what was measured, on a machine that others use too."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_ATTEMPTS = 3

T = TypeVar("T")


class TooSlow(AssertionError):
    """What was measured is past its bound."""


async def unless_slow_again(attempt: Callable[[], Awaitable[T]]) -> T:
    """Attempt something, and again if it raises `TooSlow`, with nothing left of the time before.

    What a busy machine adds once is gone by then; what takes so long by itself does so each time.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return await attempt()
        except TooSlow:
            continue
    return await attempt()


def hold_to(bound_s: float, measured_s: float) -> None:
    """Raise `TooSlow` for what is past its bound."""
    if measured_s >= bound_s:
        raise TooSlow(f"{measured_s:.3f} s; {bound_s:g} s is the bound")
