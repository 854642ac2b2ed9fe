"""A set of clock numbers, kept as sorted ranges that neither touch nor overlap."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ranges:
    """Grows only: ranges are added, none is taken away."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._starts, number) - 1
        return index >= 0 and number < self._ends[index]

    def missing(self, first: int, end: int, most: float = math.inf) -> list[tuple[int, int]]:
        """The parts of first..end (end excluded) that are not in the set, in order.

        Where they are more than so many, no more are looked for, and the last one is too long.
        """
        holes: list[tuple[int, int]] = []
        index = bisect_right(self._ends, first)
        starts = self._starts
        while first < end and index < len(starts) and starts[index] < end and len(holes) <= most:
            if first < self._starts[index]:
                holes.append((first, self._starts[index]))
            first = self._ends[index]
            index += 1
        if first < end:
            holes.append((first, end))
        return holes

    def within(self, first: int, end: int) -> list[tuple[int, int]]:
        """The parts of first..end (end excluded) that are in the set, in order."""
        found = []
        index = bisect_right(self._ends, first)
        while index < len(self._starts) and self._starts[index] < end:
            found.append((max(first, self._starts[index]), min(end, self._ends[index])))
            index += 1
        return found

    def add(self, ranges: list[tuple[int, int]]) -> None:
        """Add ranges (end excluded), joining what touches."""
        if len(ranges) > _FEW:
            ranges = sorted(ranges)
            if self._ends and ranges[0][0] < self._ends[-1]:
                ranges = sorted([*ranges, *self])
                self._starts, self._ends = [], []
        for first, end in ranges:
            low = bisect_left(self._ends, first)
            high = bisect_right(self._starts, end)
            if low < high:
                first = min(first, self._starts[low])
                end = max(end, self._ends[high - 1])
            self._starts[low:high] = [first]
            self._ends[low:high] = [end]


_FEW = 256
"""More ranges than this are sorted first: each then joins at the end of the lists, where it moves
nothing, and a million of them in the worst order take seconds, not hours. Fewer are put where they
belong: with a million in the set that moves 16 MB for each, which costs less than sorting all. What
lies behind all that is there moves nothing."""
