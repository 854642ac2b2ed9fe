"""
A large update as many small ones, which do the same one after the other.

None builds on what comes later, as far as the update itself tells: of what it does not hold, it is
taken that the document does. Structs that wait for each other come last, in any order.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from syncroom.document.ranges import Ranges
from syncroom.protocol.state_vector import CLOCK_MAX
from syncroom.protocol.update import CLIENT_PARTS, RANGE_PARTS, encode_delete_set
from syncroom.protocol.varint import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncroom.protocol.update import Range, Section, Update

NO_STRUCTS = b"\0"
"""How an update begins that only deletes."""


def split(update: Update, parts_max: int, bytes_max: int) -> Iterator[bytes]:
    """Take a vetted update apart.

    Args:
        update: the update.
        parts_max: how many parts each may have, as far as structs can be parted: a list of values
            stays whole.
        bytes_max: the bytes of each, likewise.
    """
    courses = {section.client: _Course(section) for section in update.sections}
    piece = _Piece(update, parts_max, bytes_max)
    for course in _in_order(courses):
        if piece.is_full:
            yield piece.finish()
        piece.take(course)
    yield from piece.finish_all()


class _Course:
    """How far the structs of one client were taken."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.at = 0
        """The index of the next struct."""
        self._met = 0

    @property
    def clock(self) -> int:
        """Of the next struct."""
        return self.section.clocks[self.at]

    @property
    def is_over(self) -> bool:
        """Whether all were taken."""
        return self.at == len(self.section.clocks) - 1

    def wants(self, courses: dict[int, _Course]) -> tuple[int, int] | None:
        """Client and clock of a unit that has to come before the next struct."""
        needs, clock = self.section.needs, self.clock
        while self._met < len(needs) and needs[self._met][0] <= clock:
            _, client, unit = needs[self._met]
            other = courses.get(client, self)
            if other is not self and other.clock <= unit < other.section.end:
                return client, unit
            self._met += 1
        return None


def _in_order(courses: dict[int, _Course]) -> Iterator[_Course]:
    """Whose next struct is to be taken, again and again; it is taken before the next is asked."""
    waiting: dict[int, list[tuple[int, int]]] = {}
    """For a client, who waits for which of its units: the first in need first."""
    work = list(courses.values())
    while work:
        course = work.pop()
        while not course.is_over:
            wanted = course.wants(courses)
            if wanted is not None:
                client, unit = wanted
                heappush(waiting.setdefault(client, []), (unit, course.section.client))
                break
            yield course
        waiters = waiting.get(course.section.client, [])
        while waiters and waiters[0][0] < course.clock:
            work.append(courses[heappop(waiters)[1]])
    for course in courses.values():
        while not course.is_over:
            yield course


class _Piece:
    """What is taken, until it is full; then it is the next one."""

    def __init__(self, update: Update, parts_max: int, bytes_max: int) -> None:
        self._data = update.data
        self._parts_max = parts_max
        self._bytes_max = bytes_max
        self._deleted = _by_client(update.deletes)
        self._later = self._deleted_elsewhere(update.sections)
        """What is deleted and does not go with the structs that it names."""
        self._runs: dict[int, tuple[_Course, int]] = {}
        """For a client, the index of its first struct here."""
        self._parts = self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be taken."""
        return self._parts >= self._parts_max or self._bytes >= self._bytes_max

    def take(self, course: _Course) -> None:
        """Take the next struct of a client."""
        offsets, at = course.section.offsets, course.at
        client = course.section.client
        if client not in self._runs:
            self._runs[client] = course, at
            self._parts += CLIENT_PARTS
        self._parts += 1
        self._bytes += offsets[at + 1] - offsets[at]
        course.at += 1

    def finish(self) -> bytes:
        """What was taken, with what of it is deleted."""
        parts = [encode(len(self._runs))]
        deletes: list[Range] = []
        # Backwards: where sections build on each other, readers begin with the last one.
        for client, (course, start) in reversed(self._runs.items()):
            section, stop = course.section, course.at
            first = section.clocks[start]
            parts += map(encode, (stop - start, client, first))
            parts.append(self._data[section.offsets[start] : section.offsets[stop]])
            if client in self._deleted:
                named = self._deleted[client].within(first, course.clock)
                deletes += [(client, *each) for each in named]
        self._later += deletes[self._ranges_max :]
        parts.append(encode_delete_set(deletes[: self._ranges_max]))
        self._runs.clear()
        self._parts = self._bytes = 0
        return b"".join(parts)

    def finish_all(self) -> Iterator[bytes]:
        """What was taken last, and the deletions that are left."""
        if self._runs:
            yield self.finish()
        count = self._ranges_max
        for at in range(0, len(self._later), count):
            yield NO_STRUCTS + encode_delete_set(self._later[at : at + count])

    @property
    def _ranges_max(self) -> int:
        return max(1, self._parts_max // RANGE_PARTS)

    def _deleted_elsewhere(self, sections: list[Section]) -> list[Range]:
        """What is deleted of structs that are not in the update."""
        held = {section.client: section for section in sections}
        found: list[Range] = []
        for client, ranges in self._deleted.items():
            section = held.get(client)
            named = list(ranges)
            if section is not None:
                before, behind = (0, section.first), (section.end, CLOCK_MAX)
                named = [*ranges.within(*before), *ranges.within(*behind)]
            found += [(client, *each) for each in named]
        return found


def _by_client(deletes: list[Range]) -> dict[int, Ranges]:
    named: dict[int, list[tuple[int, int]]] = {}
    for client, first, end in deletes:
        named.setdefault(client, []).append((first, end))
    ranges = {client: Ranges() for client in named}
    for client, each in named.items():
        ranges[client].add(each)
    return ranges
