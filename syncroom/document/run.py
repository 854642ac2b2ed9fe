"""
What one peer sent in one turn of the event loop, as it is relayed and stored.

Letters that follow each other become one update: fewer bytes for everybody who gets them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncroom.document.log import Typing
    from syncroom.document.peer import Peer, Wire

_LETTERS_MAX = 100
"""Letters typed in one turn that go out as one update: each length in it is one byte then."""


class Run:
    """The updates that one peer sent in one turn, without another's between them."""

    __slots__ = (
        "_letter",
        "_since",
        "_typing",
        "_until",
        "clients",
        "count",
        "frames",
        "is_live",
        "peer",
        "updates",
    )

    def __init__(self, peer: Peer | None, is_live: bool) -> None:
        self.peer = peer
        self.is_live = is_live
        """Whether these are changes just made, rather than history that it brings."""
        self.updates: list[bytes] = []
        self.frames: dict[Wire, bytes] = {}
        """As it is relayed, for each wire."""
        self.clients: set[int] = set()
        self.count = 0
        """How many updates came."""
        self._typing: Typing | None = None
        """What it types, letter by letter, after these updates."""
        self._since = self._until = 0
        self._letter: bytes | None = None
        """All that it types, while that is one update."""

    def add(self, data: bytes, clients: Iterable[int]) -> None:
        """Take in an update."""
        self.end_typing()
        self.updates.append(data)
        self.clients.update(clients)
        self.count += 1

    def type(self, typing: Typing, client: int, data: bytes, count: int) -> bool:
        """Take in the letters typed last, so many; False where they begin an update."""
        goes_on = typing is self._typing and typing.until - self._since <= _LETTERS_MAX
        if goes_on:
            self._letter = None
        else:
            self.end_typing()
            self._typing, self._since = typing, typing.until - count
            self._letter = data
            self.clients.add(client)
        self._until = typing.until
        self.count += 1
        return goes_on

    def encode(self, wires: Iterable[Wire]) -> None:
        """Make it ready to be relayed and stored."""
        self.end_typing()
        for wire in wires:
            encode = wire.updates if self.is_live else wire.history
            self.frames[wire] = encode(self.updates)

    def returned(self, wire: Wire) -> bytes:
        """As its writer gets it back."""
        if self.is_live and wire in self.frames:
            return self.frames[wire]
        return wire.updates(self.updates)

    def end_typing(self) -> None:
        """Make an update of the letters."""
        if self._typing is not None:
            letters = self._letter or self._typing.between(self._since, self._until)
            self.updates.append(letters)
            self._typing = None
