"""
What a store keeps: for each document of each room, the vetted updates in the order of acceptance.

``append`` returns at once; its callback runs on the event loop once the record is on disk, and
not before. A store never interprets updates and never writes a document over another.

Records count from 1. ``replace`` puts one update, the *base*, in the place of the records up to
one number. What it was made of, the base before it and the records since, stays on disk as the
previous generation until the next one comes. Of older records remain their *traces*: when, by
whom, and which units they wrote and deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.protocol.update import Range


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
class Trace:
    """What is kept for ever of a record."""

    time_ms: int
    participant: str
    written: tuple[Range, ...]
    """The units it brought."""
    deleted: tuple[Range, ...]
    """The units it deleted."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A base, and what of the records that it stands for is kept beside it."""

    after_seq: int
    """The number up to which the base before it reaches; 0 if there was none."""
    upto_seq: int
    """The number of the last record that the base stands for."""
    base: bytes
    """A Yjs update, format v1, which does what the base before it and the records do."""
    traces: bytes
    """One trace for each record after the base before it, as ``store.traces`` encodes them."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it was read back: complete and checked, or not returned at all."""

    incarnation: str
    """32 hexadecimal digits, random, new whenever a document begins its history anew."""
    records: tuple[Record, ...]
    """Those that the base does not stand for."""
    base: bytes = b""
    """Empty while there is none."""
    base_seq: int = 0
    """The number of the last record that the base stands for."""

    @property
    def last_seq(self) -> int:
        """The number of the last record."""
        return self.base_seq + len(self.records)

    @property
    def updates(self) -> list[bytes]:
        """All that it takes to have the document."""
        updates = [update for record in self.records for update in record.updates]
        return [self.base, *updates] if self.base else updates


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """One line of a room's list of documents."""

    path: str
    incarnation: str
    created_ms: int
    changed_ms: int
    stored_bytes: int
    """The sum of its base and of the updates since."""


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

    async def replace(self, room: str, path: str, incarnation: str, generation: Generation) -> bool:
        """Put a base in the place of records, in one transaction; raises `Unavailable`.

        False, with nothing written, where the generation was not made of what is stored: another
        one came in between, or the document is another one by now.
        """

    async def traces(self, room: str, path: str) -> list[Trace]:
        """The traces of all records that the base stands for; raises `Damaged`, `Unavailable`."""

    async def delete(self, room: str, path: str) -> bool:
        """Take a document away with its history; False if there is none. Raises `Unavailable`.

        What is appended to that history later is refused: its incarnation has ended.
        """

    async def rooms(self) -> list[str]:
        """The names of the rooms that have documents, sorted."""

    async def flush(self) -> None:
        """Return when everything appended so far is on disk; raises `Unavailable`.

        It raises while the disk fails, and once after a record was refused.
        """

    async def documents(self, room: str) -> list[DocumentInfo]:
        """The documents of a room, by path."""

    async def close(self) -> None:
        """Flush, and let go of every file."""
