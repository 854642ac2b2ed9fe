"""Who changes a document without having it open: a peer that hears nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.document.document import Outcome
from syncroom.errors import LimitExceeded, Malformed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncroom.auth.participant import Participant
    from syncroom.document.document import Document
    from syncroom.document.peer import Wire
    from syncroom.errors import SyncroomError


def publish(document: Document, who: Participant, data: bytes) -> bool:
    """Put an update into a document for somebody; whether it changes anything.

    Raises what `Document.accept` raises; `Malformed` also where the update builds on what the
    document lacks, and `LimitExceeded` where the document would be too large.
    """
    outcome = document.accept(_Author(who), data, live=True)
    if outcome is Outcome.GAP:
        raise Malformed(
            "the update builds on changes that the document does not have; "
            "send one that holds them, for instance the whole document"
        )
    if outcome is Outcome.FULL:
        raise LimitExceeded(f"the document would be larger than {document.bytes_max} bytes")
    return outcome is Outcome.TAKEN


class _Author:
    """Somebody who changes a document and does not have it open: a peer that hears nothing."""

    def __init__(self, participant: Participant) -> None:
        self.participant = participant
        self.wire: Wire = _Deaf()
        self.client_id: int | None = -1  # the client id of an edit belongs to nobody
        self.client_bytes = b""
        self.written = 0

    def deliver(self, data: bytes) -> None:
        """Nobody listens."""

    def confirm(self, data: bytes) -> None:
        """Nobody listens."""

    def resync(self) -> None:
        """Nobody listens."""

    def fail(self, error: SyncroomError) -> None:
        """Nobody listens."""


class _Deaf:
    """The wire of an author."""

    def updates(self, updates: Sequence[bytes]) -> bytes:
        return b""

    def answer(self, update: bytes) -> bytes:
        return b""

    def presence(self, entries: bytes) -> bytes:
        return b""
