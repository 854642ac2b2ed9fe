"""What a document knows of those who have it open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncroom.auth.participant import Participant
    from syncroom.errors import SyncroomError


class Wire(Protocol):
    """How one family of clients is written to: bytes that go to the socket as they are."""

    def updates(self, updates: Sequence[bytes]) -> bytes:
        """Changes, in order."""

    def history(self, updates: Sequence[bytes]) -> bytes:
        """What somebody brings of earlier times, in order: among it may be what the reader wrote.

        It must not look like an update that is returned to its writer: it need not be on disk.
        """

    def answer(self, update: bytes) -> bytes:
        """The answer to a state vector."""

    def presence(self, entries: bytes) -> bytes:
        """An awareness update."""


class Peer(Protocol):
    """One client that has one document open."""

    participant: Participant
    wire: Wire
    client_id: int | None
    """Its own client id, once it presented it."""
    client_bytes: bytes
    """That id as it stands in updates; empty while there is none."""
    written: int
    """How many of its updates were taken."""

    def deliver(self, data: bytes) -> None:
        """Send what others did, or skip it when the reader lags: one diff comes later.

        What is delivered was counted; what is skipped the peer counts back.
        """

    def confirm(self, data: bytes) -> None:
        """Return its own updates, which are on disk now; at the latest when it reads again."""

    def resync(self) -> None:
        """Ask for what was refused while the disk failed, or while there was no room for it."""

    def fail(self, error: SyncroomError) -> None:
        """Leave the document: it is no more."""


class Author:
    """Somebody who changes a document and does not have it open: a peer that hears nothing."""

    def __init__(self, participant: Participant) -> None:
        self.participant = participant
        self.wire: Wire = _Deaf()
        self.client_id: int | None = -1  # the client id of an edit belongs to nobody
        self.client_bytes = b""
        self.written = 0
        self.error: SyncroomError | None = None
        """Why the document is no more."""

    def deliver(self, data: bytes) -> None:
        """Nobody listens."""

    def confirm(self, data: bytes) -> None:
        """Nobody listens."""

    def resync(self) -> None:
        """Nobody listens."""

    def fail(self, error: SyncroomError) -> None:
        """Remember why."""
        self.error = error


class _Deaf:
    """The wire of an author."""

    def updates(self, updates: Sequence[bytes]) -> bytes:
        return b""

    def history(self, updates: Sequence[bytes]) -> bytes:
        return b""

    def answer(self, update: bytes) -> bytes:
        return b""

    def presence(self, entries: bytes) -> bytes:
        return b""
