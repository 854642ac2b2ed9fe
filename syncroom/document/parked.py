"""
Updates that build on what a document lacks: kept aside, on disk too, until that comes.

They come over wires on which a client can't be asked for what it has: it lost an edit on its way,
and goes on from there. Whoever brings the missing part, in whatever order, heals them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncroom.auth.participant import Participant
from syncroom.document.peer import Author
from syncroom.errors import LimitExceeded
from syncroom.protocol.varint import decode_bytes, encode_bytes
from syncroom.store.base import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncroom.document.peer import Peer
    from syncroom.document.state import Unit

    Keep = Callable[[list[Item], list[tuple[str, int]]], None]
    """Writes items and takes others away, as soon as may be."""


@dataclass(slots=True)
class Parked:
    """One such update."""

    number: int
    peer: Peer
    """Who sent it, here or not."""
    data: bytes
    missing: Unit | None
    """Something that it builds on and was not there; None if that is not known."""


class ParkedUpdates:
    """Those of one document.

    Args:
        bytes_max: the bytes of all of them.
    """

    def __init__(self, bytes_max: int) -> None:
        self.keep: Keep | None = None
        """Where they are kept; nowhere, if it is not set."""
        self.waiting: list[Parked] = []
        self._bytes_max = bytes_max
        self._next_number = 1

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, peer: Peer, data: bytes, missing: Unit | None, *, is_kept: bool = True) -> None:
        """Keep an update, on disk too unless that fails at present; raises `LimitExceeded`."""
        size = sum(len(each.data) for each in self.waiting) + len(data)
        if size > self._bytes_max:
            raise LimitExceeded(
                f"{size} bytes of updates wait for what they build on or for the disk, "
                f"{self._bytes_max} are allowed"
            )
        parked = Parked(self._next_number, peer, data, missing)
        self._next_number += 1
        self.waiting.append(parked)
        if self.keep is not None and is_kept:
            value = encode_bytes(peer.participant.id.encode()) + data
            self.keep([Item("", parked.number, value)], [])

    def drop(self, healed: Iterable[Parked]) -> None:
        """Let go of what is in the document by now."""
        numbers = {each.number for each in healed}
        self.waiting = [each for each in self.waiting if each.number not in numbers]
        if self.keep is not None and numbers:
            self.keep([], [("", number) for number in numbers])

    def restore(self, items: Iterable[Item]) -> None:
        """Begin with what was kept."""
        for item in items:
            who, at = decode_bytes(item.value, 0)
            author = Author(Participant(who.decode(), "", "", None, None))
            self.waiting.append(Parked(item.number, author, item.value[at:], None))
            self._next_number = item.number + 1
