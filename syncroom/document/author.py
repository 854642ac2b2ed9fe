"""Changes of documents by somebody who has them not open."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from syncroom.document.document import Outcome
from syncroom.document.peer import Author
from syncroom.errors import LimitExceeded, Malformed

if TYPE_CHECKING:
    from syncroom.auth.participant import Participant
    from syncroom.document.document import Document
    from syncroom.document.large import LargeUpdates
    from syncroom.protocol.update import Update


def publish(document: Document, who: Participant, *updates: bytes | Update) -> bool:
    """Put updates into a document for somebody, in one turn; whether they change anything.

    Raises what `Document.accept` raises; `Malformed` also where the update builds on what the
    document lacks, and `LimitExceeded` where the document would be too large.
    """
    size = sum(len(each if isinstance(each, bytes) else each.data) for each in updates)
    if len(updates) > 1 and document.stored_bytes + size > document.bytes_max:
        raise _full(document)
    author = Author(who)
    is_changed = False
    for each in updates:
        if isinstance(each, bytes):
            outcome = document.accept(author, each, live=True)
        else:
            outcome = document.accept_part(author, each, live=True)
        is_changed |= _has_changed(document, outcome)
    return is_changed


async def publish_large(
    document: Document, author: Author, data: bytes, large: LargeUpdates
) -> bool:
    """Put an update with too many parts into a document; whether it changes anything.

    Raises what `publish` raises; what was taken by then stays. The author is one of the document's
    peers, so that it does not leave memory; if it is deleted meanwhile, that is raised.
    """
    is_changed = False
    async with aclosing(large.parts(data)) as parts:
        async for part in parts:
            if author.error is not None:
                raise author.error
            outcome = document.accept_part(author, part, live=True)
            is_changed |= _has_changed(document, outcome)
            document.flush()
    return is_changed


def _has_changed(document: Document, outcome: Outcome) -> bool:
    if outcome is Outcome.GAP:
        raise Malformed(
            "the update builds on changes that the document does not have; "
            "send one that holds them, for instance the whole document"
        )
    if outcome is Outcome.FULL:
        raise _full(document)
    return outcome is Outcome.TAKEN


def _full(document: Document) -> LimitExceeded:
    return LimitExceeded(f"the document would be larger than {document.bytes_max} bytes")
