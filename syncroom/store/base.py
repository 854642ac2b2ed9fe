"""
What a store keeps: for each document of each room, the vetted updates in the order of acceptance.

``append`` returns at once; its callback runs on the event loop once the record is on disk, and
not before. A store never interprets updates and never writes a document over another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Record:
    """What one participant changed in one turn of the event loop."""

    time_ms: int
    """When it was accepted, in milliseconds since 1970."""
    participant: str
    """The id of the participant that sent it; empty for the server's own."""
    clients: tuple[int, ...]
    """The Yjs client ids under which its new structs were written; empty for pure deletions."""
    updates: tuple[bytes, ...]
    """Yjs updates, format v1, at least one."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it was read back: complete and checked, or not returned at all."""

    incarnation: str
    """32 hexadecimal digits, random, new whenever a document begins its history anew."""
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """One line of a room's list of documents."""

    path: str
    incarnation: str
    created_ms: int
    changed_ms: int
    stored_bytes: int
    """The sum of its updates."""


class Store(Protocol):
    """Durable bytes. Every implementation passes ``tests/contract/test_store.py``."""

    failure: str | None
    """Why the last attempt to write failed; None while writing works."""

    on_failure: Callable[[str | None], None] | None
    """Called on the event loop whenever ``failure`` changes."""

    async def open(self) -> None:
        """Make the store ready; raises `Misconfigured` or `Damaged` where it can't be."""

    async def load(self, room: str, path: str) -> StoredDocument | None:
        """Read a document whole; None if it was never written. Raises `Damaged`, `Unavailable`."""

    async def create(
        self, room: str, path: str, incarnation: str, initial: Record
    ) -> StoredDocument:
        """Create a document with its initial content in one transaction, and return it.

        Where the document exists already, nothing is written and the existing one is returned:
        initial content is written once.
        """

    def append(
        self,
        room: str,
        path: str,
        incarnation: str,
        record: Record,
        durable: Callable[[], None] | None = None,
    ) -> None:
        """Queue a record. ``durable`` runs on the event loop after it is on disk.

        The document is created with the first record. While the disk fails, records wait in order
        and are tried again; ``failure`` says why. A record whose incarnation is not the stored one
        is refused: logged, never written, never durable, and nothing after it in that history is.
        """

    async def flush(self) -> None:
        """Return when everything appended so far is on disk; raises `Unavailable`.

        It raises while the disk fails, and once after a record was refused.
        """

    async def documents(self, room: str) -> list[DocumentInfo]:
        """The documents of a room, by path."""

    async def close(self) -> None:
        """Flush, and let go of every file."""
