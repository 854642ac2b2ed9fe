"""Changes of documents by somebody who has them not open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.document.document import Outcome
from syncroom.document.peer import Author
from syncroom.errors import LimitExceeded, Malformed

if TYPE_CHECKING:
    from syncroom.auth.participant import Participant
    from syncroom.document.document import Document


def publish(document: Document, who: Participant, data: bytes) -> bool:
    """Put an update into a document for somebody; whether it changes anything.

    Raises what `Document.accept` raises; `Malformed` also where the update builds on what the
    document lacks, and `LimitExceeded` where the document would be too large.
    """
    outcome = document.accept(Author(who), data, live=True)
    if outcome is Outcome.GAP:
        raise Malformed(
            "the update builds on changes that the document does not have; "
            "send one that holds them, for instance the whole document"
        )
    if outcome is Outcome.FULL:
        raise LimitExceeded(f"the document would be larger than {document.bytes_max} bytes")
    return outcome is Outcome.TAKEN
