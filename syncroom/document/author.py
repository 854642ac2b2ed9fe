"""Changes of documents by somebody who has them not open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.document.document import Outcome
from syncroom.document.peer import Author
from syncroom.errors import LimitExceeded, Malformed

if TYPE_CHECKING:
    from syncroom.auth.participant import Participant
    from syncroom.document.document import Document


def publish(document: Document, who: Participant, *updates: bytes) -> bool:
    """Put updates into a document for somebody, in one turn; whether they change anything.

    Raises what `Document.accept` raises; `Malformed` also where the update builds on what the
    document lacks, and `LimitExceeded` where the document would be too large.
    """
    full = LimitExceeded(f"the document would be larger than {document.bytes_max} bytes")
    if len(updates) > 1 and document.stored_bytes + sum(map(len, updates)) > document.bytes_max:
        raise full
    author = Author(who)
    is_changed = False
    for data in updates:
        outcome = document.accept(author, data, live=True)
        if outcome is Outcome.GAP:
            raise Malformed(
                "the update builds on changes that the document does not have; "
                "send one that holds them, for instance the whole document"
            )
        if outcome is Outcome.FULL:
            raise full
        is_changed |= outcome is Outcome.TAKEN
    return is_changed
