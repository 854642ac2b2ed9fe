"""
Where two texts differ: lines first, then the words of lines that were changed, so that a small
change of a long text stays a small one, in time that grows with the text and not with its square.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Change = tuple[int, int, str]
"""From, to, and what comes there instead."""

_COMPARED_MAX = 4_000_000
"""Pairs of lines, or of words, that are compared; between what is there once, if they are more."""

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


def changes(old: str, new: str) -> Iterator[Change]:
    """The changes that make one text another, in order, none touching the next."""
    for first, end, start, stop in _blocks(old.splitlines(True), new.splitlines(True)):
        before, after = old[first:end], new[start:stop]
        words = _blocks(_WORDS.findall(before), _WORDS.findall(after))
        for low, high, begin, until in words:
            yield _trim(before, first, low, high, after[begin:until])


def _blocks(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Where two sequences of pieces differ, in characters of the two texts they make up."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    at, to = sum(map(len, before[:head])), sum(map(len, after[:head]))
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if not old or not new:
        if old or new:
            yield at, at + sum(map(len, old)), to, to + sum(map(len, new))
        return
    places, targets = _places(old, at), _places(new, to)
    for first, end, start, stop in _parts(old, new):
        for low, high, begin, until in _compare(old[first:end], new[start:stop]):
            yield (
                *(places[first + low], places[first + high]),
                *(targets[start + begin], targets[start + until]),
            )


def _compare(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Where two sequences differ; all of them, where comparing takes too long."""
    if len(old) * len(new) > _COMPARED_MAX:
        return [(0, len(old), 0, len(new))]
    matches = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [each[1:] for each in matches if each[0] != "equal"]


def _parts(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """What lies between the pieces that are there once on both sides, and in the same order."""
    if len(old) * len(new) <= _COMPARED_MAX:
        yield 0, len(old), 0, len(new)
        return
    often, others = Counter(old), Counter(new)
    where = {piece: at for at, piece in enumerate(new) if others[piece] == 1}
    once = [
        (at, where[piece]) for at, piece in enumerate(old) if often[piece] == 1 and piece in where
    ]
    first = start = 0
    for at, to in [*_ascending(once), (len(old), len(new))]:
        if first < at or start < to:
            yield first, at, start, to
        first, start = at + 1, to + 1


def _ascending(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """As many of some pairs as can stand in one order on both sides."""
    lasts: list[int] = []
    tops: list[int] = []
    before: list[int] = []
    for index, (_, to) in enumerate(pairs):
        length = bisect_left(lasts, to)
        before.append(tops[length - 1] if length else -1)
        lasts[length : length + 1] = [to]
        tops[length : length + 1] = [index]
    chain = []
    index = tops[-1] if tops else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]


def _places(pieces: Sequence[str], at: int) -> list[int]:
    places = [at]
    for each in pieces:
        at += len(each)
        places.append(at)
    return places


def _trim(before: str, offset: int, low: int, high: int, new: str) -> Change:
    """A change without the characters that are the same at its ends."""
    while low < high and new and before[low] == new[0]:
        low, new = low + 1, new[1:]
    while low < high and new and before[high - 1] == new[-1]:
        high, new = high - 1, new[:-1]
    return offset + low, offset + high, new
