"""
What a store keeps: for each document of each room, the vetted updates in the order of acceptance;
and the catalogue of rooms.

``append`` returns at once; its callback runs on the event loop once the record is on disk, and
not before. A store never interprets updates and never writes a document over another.

Records count from 1. ``replace`` puts one update, the *base*, in the place of the records up to
one number. What it was made of, the base before it and the records since, stays on disk as the
previous generation until the next one comes. Of older records remain their *traces*: when, by
whom, and which units they wrote and deleted.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncroom.protocol.update import Range


FOR_EVER = "deleted:"
"""What is kept under the name of an API that begins with this outlives its room."""


class Record(NamedTuple):
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
    schema: str = ""
    """The JSON text of the schema that its content follows; empty while it has none."""

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


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """One line of the catalogue of rooms."""

    name: str
    id: str
    """A UUID, random, new whenever a room of that name is made anew."""
    created_ms: int
    metadata: dict[str, Any] = field(default_factory=dict)
    """JSON values that whoever made the room put there; a server does not read them."""
    annotations: dict[str, str] = field(default_factory=dict)
    """Likewise."""
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: str
    """``file``, ``row``, ``missing``, ``checksum``, ``orphan``, and what ``syncroom.fsck`` adds."""
    room: str
    path: str
    seq: int | None
    """The number of the record, where it is one."""
    text: str


class Item(NamedTuple):
    """Something that a room API keeps."""

    name: str
    number: int
    """Orders the items of a name; 0 where there is only one."""
    value: bytes


def folders_of(path: str) -> list[str]:
    """The folders that a path lies in, the outermost first."""
    names = path.split("/")[:-1]
    return ["/".join(names[:count]) for count in range(1, len(names) + 1)]


def new_room(name: str, now_ms: int) -> RoomInfo:
    """A room that comes into being now."""
    return RoomInfo(name, str(uuid.uuid4()), now_ms)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was not written and never will be."""

    room: str
    path: str
    incarnation: str
    """The history that it was meant for. Nothing can be added to that one any more."""
    reason: str

    def __str__(self) -> str:
        return (
            f"record refused for {self.path!r} in room {self.room!r}, "
            f"incarnation {self.incarnation}: {self.reason}"
        )


class Store(Protocol):
    """Durable bytes. Every implementation passes ``tests/contract/test_store.py``."""

    failure: str | None
    """Why the last attempt to write failed; None while writing works."""

    on_failure: Callable[[str | None], None] | None
    """Called on the event loop whenever ``failure`` changes."""

    on_refusal: Callable[[Refusal], None] | None
    """Called on the event loop for each record that was refused."""

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
        schema: str = "",
    ) -> None:
        """Queue a record. ``durable`` runs on the event loop after it is on disk.

        The document is created with the first record, and its room with it. A schema is written in
        the same transaction, once: where the document has one already, that one stays. While the
        disk fails, records wait in order and are tried again; ``failure`` says why. A record whose
        incarnation is not the stored one is refused: logged, never written, never durable, and
        nothing after it in that history is.
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

    async def add_room(self, room: RoomInfo) -> bool:
        """Put a room into the catalogue; False, with nothing written, where the name is taken.

        It raises `Unavailable`, as all that follow, and `Damaged` where a room is returned.
        """

    async def find_room(self, name: str) -> RoomInfo | None:
        """The room of a name."""

    async def find_room_id(self, id: str) -> RoomInfo | None:
        """The room of an id."""

    async def list_rooms(self, after: str, contains: str, limit: int) -> tuple[list[RoomInfo], int]:
        """Some rooms by name, and how many match in all.

        Args:
            after: names up to this one are left out of the list.
            contains: what a name holds somewhere, in small or large letters.
            limit: how many to return at most.
        """

    async def disabled_rooms(self) -> list[str]:
        """The names of the rooms that are disabled, sorted."""

    async def update_room(self, room: RoomInfo) -> bool:
        """Write a room over the one of its name and id; False where that is gone."""

    async def delete_room(self, name: str) -> bool:
        """Take a room away with all of its documents, in one transaction; False if there is none.

        What is appended to their histories later is refused. Of items, those `FOR_EVER` stay.
        """

    async def items(self, room: str, api: str) -> list[Item]:
        """What an API keeps in a room, by name and number; raises `Damaged`, `Unavailable`."""

    async def change_items(
        self,
        room: str,
        api: str,
        put: Sequence[Item] = (),
        drop: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Write items, and take others away by name and number, in one transaction.

        It returns when that is on disk; raises `Unavailable`.
        """

    async def flush(self) -> None:
        """Return when everything appended so far is on disk, or was refused.

        Raises `Unavailable` while the disk fails.
        """

    async def documents(self, room: str, near: str = "") -> list[DocumentInfo]:
        """The documents of a room, by path.

        Args:
            room: the name of the room.
            near: a path; only the document there is listed, those below it, and those at the
                folders that it lies in. Empty for all.
        """

    async def check_file(self) -> list[Finding]:
        """What is wrong in whatever it keeps, beside the documents that it lists."""

    async def check_rows(self, room: str, path: str) -> list[Finding]:
        """What is wrong with what is kept of a document, as it is on disk at one moment."""

    async def close(self) -> None:
        """Flush, and let go of every file."""
