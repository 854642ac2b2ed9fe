"""
A document as one update taken apart, so that what follows is added at the ends, in bytes.

An update holds the structs of each client in order, and then what is deleted of each. What is
accepted begins where its client's history ends, so nothing has to be read again to add it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.protocol.varint import encode

if TYPE_CHECKING:
    from syncroom.protocol.update import Update


class Section:
    """The structs of one client, or what is deleted of it: so many, in pieces."""

    __slots__ = ("count", "first", "pieces")

    def __init__(self, first: int) -> None:
        self.first = first
        """The clock of the first struct."""
        self.count = 0
        self.pieces: list[bytes] = []

    def add(self, count: int, pieces: list[bytes]) -> None:
        """Add so many at the end."""
        self.count += count
        self.pieces += pieces

    def whole(self) -> bytes:
        """All pieces, from now on in one."""
        if len(self.pieces) > 1:
            self.pieces = [b"".join(self.pieces)]
        return self.pieces[0]


class Sections:
    """What a document holds of each client, and what is deleted of it."""

    def __init__(self, update: Update | None = None) -> None:
        self._structs: dict[int, Section] = {}
        self._deletes: dict[int, Section] = {}
        if update is not None:
            self.add(update)

    def add(self, update: Update) -> None:
        """Add a vetted update that begins where the history of each of its clients ends here."""
        for section in update.sections:
            structs = update.data[section.offsets[0] : section.offsets[-1]]
            self.add_structs(section.client, section.first, len(section.clocks) - 1, [structs])
        for client, first, end in update.deletes:
            deleted = self._deletes.setdefault(client, Section(0))
            deleted.add(1, [encode(first) + encode(end - first)])

    def add_structs(self, client: int, clock: int, count: int, pieces: list[bytes]) -> None:
        """Add so many structs of a client, the first of which has this clock."""
        if client not in self._structs:
            self._structs[client] = Section(clock)
        self._structs[client].add(count, pieces)

    def extend(self, later: Sections) -> None:
        """Add all that came later."""
        for client, structs in later._structs.items():
            self.add_structs(client, structs.first, structs.count, structs.pieces)
        for client, deleted in later._deletes.items():
            self._deletes.setdefault(client, Section(0)).add(deleted.count, deleted.pieces)

    def encode(self) -> bytes:
        """All of it as one update, clients in descending order as Yjs writes them."""
        parts = [encode(len(self._structs))]
        for client, section in sorted(self._structs.items(), reverse=True):
            parts += (encode(section.count), encode(client), encode(section.first), section.whole())
        parts.append(encode(len(self._deletes)))
        for client, section in sorted(self._deletes.items(), reverse=True):
            parts += (encode(client), encode(section.count), section.whole())
        return b"".join(parts)
