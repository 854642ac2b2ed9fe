"""
Finds what in a document's history ends every host that reads it, and makes documents without it.

History is known by ranges: which units a record wrote, and which it deleted. So it makes no
difference whether the record is still there, or is part of a merged base by now.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from syncroom.document.host import HostDied
from syncroom.document.ranges import Ranges
from syncroom.document.state import DocumentState
from syncroom.protocol.update import encode_delete_set, prefix, read_update

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from syncroom.document.host import ViewHosts
    from syncroom.limits import Limits
    from syncroom.protocol.update import Range

    Attempt = Callable[[int], Awaitable[dict[str, float] | HostDied]]

_USED_MAX = 0.5
"""A document that takes more of its time or memory than this, without the record that is too much
for a host, is large and not poisoned."""


class Piece(NamedTuple):
    """What one record did."""

    written: tuple[Range, ...]
    deleted: tuple[Range, ...]


def read_piece(updates: Iterable[bytes], depth_max: int) -> Piece:
    """What some vetted updates do."""
    read = [read_update(data, depth_max) for data in updates]
    written = [(each.client, each.first, each.end) for one in read for each in one.sections]
    return Piece(tuple(written), tuple(deleted for one in read for deleted in one.deletes))


def without(merged: bytes, pieces: Sequence[Piece], depth_max: int) -> bytes:
    """A document without what some records did, and without all that builds on it."""
    update = read_update(merged, depth_max)
    reached = {section.client: section.end for section in update.sections}
    undone: dict[int, Ranges] = {}
    for piece in pieces:
        for client, first, _ in piece.written:
            reached[client] = min(first, reached.get(client, first))
        for client, first, end in piece.deleted:
            undone.setdefault(client, Ranges()).add([(first, end)])
    deletes: list[Range] = []
    for client, first, end in update.deletes:
        spared = undone.get(client)
        kept = spared.missing(first, end) if spared else [(first, end)]
        deletes += [(client, *each) for each in kept]
    rest = read_update(prefix(update, reached) + encode_delete_set(deletes), depth_max)
    state = DocumentState()
    ready = state.gap(rest)
    return rest.data if ready is None else state.ready_part(rest, ready)


async def find_culprit(
    hosts: ViewHosts, merged: bytes, pieces: Sequence[Piece], known: Sequence[Piece], limits: Limits
) -> int | None:
    """The index of the record that ends a host, in log2(n) attempts.

    None where the document is read without that, or is no more than too large.
    """

    async def attempt(count: int) -> dict[str, float] | HostDied:
        left_out = [*pieces[count:], *known]
        data = await asyncio.to_thread(without, merged, left_out, limits.value_depth_max)
        try:
            answer = await hosts.call("check", data)
        except HostDied as error:
            return error
        usage: dict[str, float] = answer.value
        return usage

    low, high = 0, len(pieces)
    usage: dict[str, float] = {"left_s": limits.view_cpu_s, "peak_bytes": 0}
    death = await attempt(high)
    if not isinstance(death, HostDied):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        found = await attempt(middle)
        if isinstance(found, HostDied):
            high, death = middle, found
        else:
            low, usage = middle, found
    if death.is_spent and (_is_large(usage, limits) or await _survives(attempt, high)):
        return None
    return low


async def _survives(attempt: Attempt, count: int) -> bool:
    """Whether it was chance that a host ran out of something."""
    return not isinstance(await attempt(count), HostDied)


def _is_large(usage: dict[str, float], limits: Limits) -> bool:
    used_s = 1 - usage["left_s"] / limits.view_cpu_s
    used_bytes = usage["peak_bytes"] / limits.view_memory_bytes_max
    return max(used_s, used_bytes) > _USED_MAX
