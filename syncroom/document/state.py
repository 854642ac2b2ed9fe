"""
What a document holds, as far as deciding about the next update takes it: how much of each client's
history there is, what of it is deleted, and which units are shared types.

Nothing with a gap gets past it, and nothing that changes nothing: both are known from the bytes.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from pycrdt import get_update

from syncroom.document.ranges import Ranges
from syncroom.errors import Malformed
from syncroom.protocol import state_vector
from syncroom.protocol.update import Range, Section, Update, encode_delete_set, prefix, read_update

if TYPE_CHECKING:
    from collections.abc import Container

TYPES_DEPTH_MAX = 256
"""Shared types in shared types: native readers recurse through them, and stacks end."""

_HOLES_MAX = 1000
"""Ranges that a change may delete beyond those that it names, for what is deleted already is taken
out: one that deletes a long text may find half a million holes in it."""

Unit = tuple[int, int]
"""Client and clock."""

Reached = dict[int, int]
"""How far each client's history gets: the clock after its last unit."""


class DocumentState:
    """Grows with every update that is accepted; holds no content."""

    __slots__ = (
        "_deleted",
        "_gone",
        "_types",
        "clocks",
    )

    def __init__(self) -> None:
        self.clocks: Reached = {}
        """The state vector."""
        self._deleted: dict[int, Ranges] = {}
        self._gone: dict[int, Ranges] = {}
        """Of the deleted, what came without its content, so that it may have been a type."""
        self._types: dict[Unit, int] = {}
        """How deep each shared type lies in others, as far as its place tells: beside what is no
        type it counts as if it lay at the top."""

    def gap(self, update: Update, barred: Container[int] = ()) -> Reached | None:
        """None when an update is causally ready; else how far its ready structs get.

        A struct is ready when its client's history before it and all that it refers to is there,
        in the document or among the ready structs. Structs that wait for each other never are,
        nor are new ones of clients that are barred.
        """
        reached = self._reach(update.sections, barred)
        if all(section.end <= reached[section.client] for section in update.sections) and all(
            end <= reached.get(client, self.clocks.get(client, 0))
            for client, _, end in update.deletes
        ):
            return None
        return reached

    def has(self, unit: Unit) -> bool:
        """Whether a unit is here."""
        return unit[1] < self.clocks.get(unit[0], 0)

    def missing(self, update: Update) -> Unit | None:
        """A unit without which an update can't be taken whole; None when nothing is missing."""
        reached = self._reach(update.sections, ())
        known = {**self.clocks, **reached}
        for section in update.sections:
            if reached[section.client] < section.end:
                for _, client, clock in section.needs:
                    if known.get(client, 0) <= clock:
                        return client, clock
        return next(((c, end - 1) for c, _, end in update.deletes if known.get(c, 0) < end), None)

    def ready_part(self, update: Update, reached: Reached) -> bytes:
        """The part of an update with a gap that can be taken now."""
        deletes = []
        for client, first, end in update.deletes:
            end = min(end, reached.get(client, self.clocks.get(client, 0)))
            if first < end:
                deletes.append((client, first, end))
        return prefix(update, reached) + encode_delete_set(deletes)

    def new_part(
        self, update: Update, depth_max: int, parts_max: float = math.inf
    ) -> Update | None:
        """What of a ready update is not in the document; None when all is. Raises `Malformed`.
        Where a part of it is known, the rest is read again: that raises `TooManyParts`.

        Structs that are known already are cut off, so that the log never holds two versions of
        one struct, of which a merge would choose one and a live editor another.
        """
        self._check_parents(update)
        if max(self._depths(update).values(), default=0) > TYPES_DEPTH_MAX:
            raise Malformed(f"shared types are nested deeper than {TYPES_DEPTH_MAX}")
        known = self.clocks
        has_new = any(section.end > known.get(section.client, 0) for section in update.sections)
        has_known = any(section.first < known.get(section.client, 0) for section in update.sections)
        deletes = self._new_deletes(update.deletes)
        if not has_new and not deletes:
            return None
        if not has_known and deletes == update.deletes:
            return update
        structs = update.data[: update.deletes_at]
        if not has_new:
            structs = b"\0"
        elif has_known:
            structs = self._cut(update, depth_max, parts_max)
        return read_update(structs + encode_delete_set(deletes), depth_max)

    def apply(self, update: Update) -> None:
        """Take in what `new_part` returned, or a stored document."""
        for section in update.sections:
            self.clocks[section.client] = section.end
        self._types.update(self._depths(update))
        _add(self._gone, update.gone)
        _add(self._deleted, [*update.gone, *update.deletes])

    def _reach(self, sections: list[Section], barred: Container[int]) -> Reached:
        """How far the structs of each section can be taken, in whatever order it needs."""
        known = self.clocks
        reached = {section.client: known.get(section.client, 0) for section in sections}
        met = dict.fromkeys(reached, 0)
        waiting: dict[int, list[tuple[int, int]]] = {}
        """For a client, who waits for which of its units: the first in need first."""
        by_client = {section.client: section for section in sections}
        work = [section for section in sections if section.client not in barred]
        while work:
            section = work.pop()
            stop = section.end
            while met[section.client] < len(section.needs):
                before, client, clock = section.needs[met[section.client]]
                if reached.get(client, known.get(client, 0)) <= clock:
                    stop = before
                    heappush(waiting.setdefault(client, []), (clock, section.client))
                    break
                met[section.client] += 1
            if stop > reached[section.client]:
                reached[section.client] = stop
                waiters = waiting.get(section.client, [])
                while waiters and waiters[0][0] < stop:
                    work.append(by_client[heappop(waiters)[1]])
        return reached

    def _depths(self, update: Update) -> dict[Unit, int]:
        """How deep the types of an update lie."""
        depths: dict[Unit, int] = {}
        for unit, (at, is_parent) in zip(update.types, update.places, strict=True):
            depth = 0 if at is None else depths.get(at, self._types.get(at, 0))
            depths[unit] = depth + is_parent
        return depths

    def _check_parents(self, update: Update) -> None:
        """Only what an update brings counts, not what it says of units that are known here."""
        known = self.clocks
        types = {unit for unit in update.types if unit[1] >= known.get(unit[0], 0)}
        strangers = set(update.parents).difference(self._types, types)
        if not strangers:
            return
        gone: dict[int, Ranges] = {}
        starts = ((c, max(first, known.get(c, 0)), end) for c, first, end in update.gone)
        _add(gone, [(c, first, end) for c, first, end in starts if first < end])
        for client, clock in strangers:
            if not any(clock in ranges.get(client, ()) for ranges in (self._gone, gone)):
                raise Malformed(
                    f"a struct names unit {clock} of client {client} as its parent, "
                    "which is no shared type"
                )

    def _new_deletes(self, deletes: list[Range]) -> list[Range]:
        """What of some ranges is not deleted here, each unit once however often it is named."""
        if len(deletes) > 1:
            named: dict[int, Ranges] = {}
            _add(named, deletes)
            deletes = [(client, *each) for client, ranges in named.items() for each in ranges]
        new: list[Range] = []
        left = _HOLES_MAX
        for client, first, end in deletes:
            here = self._deleted.get(client)
            holes = here.missing(first, end, left) if here else [(first, end)]
            if len(holes) > left:  # it says again what is known rather than take that out
                holes = [(first, end)]
            left -= len(holes) - 1
            new += [(client, *hole) for hole in holes]
        return new

    def _cut(self, update: Update, depth_max: int, parts_max: float) -> bytes:
        """The structs of an update without those, and without the parts of those, known here."""
        known = {s.client: self.clocks.get(s.client, 0) for s in update.sections}
        rest = get_update(update.data, state_vector.encode(known))
        cut = read_update(rest, depth_max, parts_max)
        wanted = {s.client: (known[s.client], s.end) for s in update.sections}
        for section in cut.sections:
            if (section.first, section.end) != wanted[section.client]:
                raise Malformed("an update repeats half of a character that is known already")
        return cut.data[: cut.deletes_at]


def _add(to: dict[int, Ranges], ranges: list[Range]) -> None:
    by_client: dict[int, list[tuple[int, int]]] = {}
    for client, first, end in ranges:
        by_client.setdefault(client, []).append((first, end))
    for client, named in by_client.items():
        to.setdefault(client, Ranges()).add(named)
