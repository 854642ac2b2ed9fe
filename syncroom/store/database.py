"""
Whole transactions on the SQLite file of a data folder, held by one process at a time.

Everything here blocks, so it runs in the threads of `SqliteStore`: ``write`` in one, ``read`` and
``documents`` in the other. What was written is on disk when ``write`` returns, all of it or
nothing. A record that was altered, swapped or lost is noticed when its document is read, the newest
one too.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from syncroom.errors import Damaged, Misconfigured, Unavailable
from syncroom.store import catalogue, items
from syncroom.store.base import DocumentInfo, Record, Refusal, StoredDocument, folders_of, new_room
from syncroom.store.document_schemas import read_schema, write_schemas
from syncroom.store.generations import read_base, read_traces, write_generation
from syncroom.store.records import (
    INSERT_HEADS,
    delete_records,
    insert_records,
    insert_rows,
    read_records,
)
from syncroom.store.rows import DocumentRow, encode_log_row
from syncroom.store.schema import (
    SELECT_DOCUMENTS,
    check_or_create,
    connect,
    describe,
    is_damage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from syncroom.store.base import Generation, Trace
    from syncroom.store.rows import LogRow

Change: TypeAlias = "tuple[str, str, str, Record, Callable[[], None] | None, bool, str]"
"""room, path, incarnation, record, what to call once it is on disk, whether it is the initial
content, and the document's schema or nothing. A bare tuple costs 0.07 us to make, a class of our
own five to nine times that."""

_WAL_BYTES = 5 << 20
"""A checkpoint comes after 1,000 pages of 4 KiB, and the commit that exceeds them."""

KNOWN_MAX = 10_000
"""Documents that the writer remembers between commits, a few hundred bytes each."""

_OF_DOCUMENT = {
    "bases": "document",
    "traces": "document",
    "schemas": "document",
    "heads": "document",
    "documents": "id",
}
"""For each table, the column that names the document."""

_DELETED = "the document was deleted"

T = TypeVar("T")

log = logging.getLogger("syncroom.store")


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the changes of one transaction."""

    durable: list[Callable[[], None]] = field(default_factory=list)
    """The callbacks of what is on disk now, in order."""
    refusals: list[Refusal] = field(default_factory=list)
    """The records that were not written and never will be."""


class Database:
    """One data folder, held by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.file = folder.resolve() / "syncroom.db"
        self._folder = folder.resolve()
        self._lock: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._next_id = 1
        self._next_row = 1
        self._known: dict[tuple[str, str], DocumentRow] = {}
        self._ended: dict[tuple[str, str, str], str] = {}

    def open(self) -> None:
        """Hold the folder and check the file; raises `Misconfigured`, `Damaged`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _hold(self._folder)
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._writer = connect(f"{self.file.as_uri()}?mode=rw")
            check_or_create(self._writer, self.file)
            self._reader = connect(f"{self.file.as_uri()}?mode=ro")
            (last_id,) = self._writer.execute("SELECT max(id) FROM documents").fetchone()
            self._next_id = (last_id or 0) + 1
            (last_row,) = self._writer.execute("SELECT max(id) FROM log").fetchone()
            self._next_row = (last_row or 0) + 1
            wal = self.file.with_name(f"{self.file.name}-wal")
            _lengthen(wal)
            # Commits of a process that was killed may have left no trace on the disk itself yet.
            # They are served from now on, and whoever made them takes them for saved.
            _sync(wal)
            _sync(self._folder)
            _sync(self._folder.parent)
        except OSError as error:
            self.close()
            raise Misconfigured(f"the data folder can't be used: {error}") from error
        except sqlite3.Error as error:
            self.close()
            if is_damage(error):
                raise Damaged(f"{self.file} can't be read: {describe(error)}") from error
            raise Misconfigured(f"{self.file} can't be used: {describe(error)}") from error
        except UnicodeDecodeError as error:
            # SQLite quotes the damaged text of the schema in its message.
            self.close()
            raise Damaged(f"{self.file} can't be read: its schema is garbled") from error
        except (Misconfigured, Damaged):
            self.close()
            raise

    def close(self) -> None:
        """Merge the write-ahead log into the file, and let go of everything."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, changes: Sequence[Change]) -> Written:
        """Write records in one transaction. Raises what `sqlite3` raises, with nothing written."""
        assert self._writer is not None
        written = Written()
        rows: list[LogRow] = []
        schemas: list[tuple[DocumentRow, str]] = []
        touched: dict[int, DocumentRow] = {}
        # Forgotten if anything below raises: the numbers in it would be ahead of the file.
        known, self._known = self._known, {}
        with self._writer as connection:
            connection.execute("BEGIN IMMEDIATE")
            for change in changes:
                try:
                    row = self._accept(change, known, touched)
                except (ValueError, Damaged) as error:
                    written.refusals.append(self._refuse(change, error))
                    continue
                if row is not None:
                    rows.append(row)
                    if change[6]:
                        schemas.append((known[change[:2]], change[6]))
                durable = change[4]
                if durable is not None:
                    written.durable.append(durable)
            insert_records(connection, rows)
            insert_rows(connection, INSERT_HEADS, [each.head() for each in touched.values()])
            write_schemas(connection, schemas)
        if len(known) <= KNOWN_MAX:
            self._known = known
        return written

    def read(self, room: str, path: str) -> StoredDocument | None:
        """A document, verified; raises `Damaged`, `Unavailable`."""
        assert self._reader is not None
        try:
            with self._reader as connection:
                connection.execute("BEGIN")
                document = _find(connection, room, path)
                if document is None:
                    return None
                seq, base = read_base(connection, document)
                records = read_records(connection, document, seq)
                schema = read_schema(connection, document)
                return StoredDocument(document.incarnation, records, base, seq, schema)
        except sqlite3.Error as error:
            kind = Damaged if is_damage(error) else Unavailable
            raise kind(f"{path!r} in room {room!r} can't be read: {describe(error)}") from error

    def replace(self, room: str, path: str, incarnation: str, generation: Generation) -> bool:
        """Write a generation in one transaction; raises what `sqlite3` raises, `Damaged`.

        False if it was not made of what is stored.
        """
        assert self._writer is not None
        self._known.pop((room, path), None)
        with self._writer as connection:
            connection.execute("BEGIN IMMEDIATE")
            document = _find(connection, room, path)
            if document is None or document.incarnation != incarnation:
                return False
            return write_generation(connection, document, generation)

    def delete(self, room: str, path: str) -> bool:
        """Delete a document with all that is kept of it; raises what `sqlite3` raises, `Damaged`.

        False if there is none.
        """
        assert self._writer is not None
        self._known.pop((room, path), None)
        with self._writer as connection:
            connection.execute("BEGIN IMMEDIATE")
            document = _find(connection, room, path)
            if document is None:
                return False
            _delete(connection, document.id)
        self._ended[room, path, document.incarnation] = _DELETED
        return True

    def delete_room(self, room: str) -> bool:
        """Delete a room with its documents; raises what `sqlite3` raises. False if there is none.

        It needs no row to be sound, so that what is damaged can be got rid of.
        """
        assert self._writer is not None
        self._known = {}
        select = "SELECT id, path, incarnation FROM documents WHERE room = ?"
        with self._writer as connection:
            connection.execute("BEGIN IMMEDIATE")
            documents = connection.execute(select, (room,)).fetchall()
            for id, _, _ in documents:
                _delete(connection, id)
            items.delete_room(connection, room)
            rows = connection.execute("DELETE FROM rooms WHERE name = ?", (room,)).rowcount
        self._ended |= {(room, path, incarnation): _DELETED for _, path, incarnation in documents}
        return rows > 0 or bool(documents)

    def look_up(self, what: str, read: Callable[[sqlite3.Connection], T]) -> T:
        """Read something, which errors call ``what``; raises `Damaged`, `Unavailable`."""
        assert self._reader is not None
        try:
            return read(self._reader)
        except sqlite3.Error as error:
            kind = Damaged if is_damage(error) else Unavailable
            raise kind(f"{what} can't be read: {describe(error)}") from error

    def change(self, write: Callable[[sqlite3.Connection], T]) -> T:
        """Change something in one transaction; raises what `sqlite3` raises."""
        assert self._writer is not None
        with self._writer as connection:
            connection.execute("BEGIN IMMEDIATE")
            return write(connection)

    def rooms(self) -> list[str]:
        """The names of the rooms that have documents; raises `Damaged`, `Unavailable`."""
        assert self._reader is not None
        select = "SELECT DISTINCT room FROM documents ORDER BY room"
        try:
            return [room for (room,) in self._reader.execute(select)]
        except sqlite3.Error as error:
            kind = Damaged if is_damage(error) else Unavailable
            raise kind(f"the rooms can't be listed: {describe(error)}") from error

    def traces(self, room: str, path: str) -> list[Trace]:
        """The traces of the records that a document's base stands for; raises `Damaged`."""
        assert self._reader is not None
        with self._reader as connection:
            connection.execute("BEGIN")
            document = _find(connection, room, path)
            return [] if document is None else read_traces(connection, document)

    def documents(self, room: str, near: str = "") -> list[DocumentInfo]:
        """The documents of a room by path; a damaged line is left out and logged."""
        assert self._reader is not None
        where, names = "room = ?", [room]
        if near:
            above = [near, *folders_of(near)]
            where += f" AND (path IN ({','.join('?' * len(above))}) OR (path > ? AND path < ?))"
            names += [*above, f"{near}/", f"{near}0"]  # 0 comes next after /
        select = f"{SELECT_DOCUMENTS} WHERE {where} ORDER BY path"
        try:
            rows = self._reader.execute(select, names).fetchall()
        except sqlite3.Error as error:
            kind = Damaged if is_damage(error) else Unavailable
            raise kind(f"room {room!r} can't be listed: {describe(error)}") from error
        infos = []
        for row in rows:
            try:
                document = _checked(row, room)
            except Damaged as error:
                log.error("left out of the list of a room: %s", error)
                continue
            infos.append(
                DocumentInfo(
                    path=document.path,
                    incarnation=document.incarnation,
                    created_ms=document.created_ms,
                    changed_ms=document.changed_ms,
                    stored_bytes=document.stored_bytes,
                )
            )
        return infos

    def _accept(
        self,
        change: Change,
        known: dict[tuple[str, str], DocumentRow],
        touched: dict[int, DocumentRow],
    ) -> LogRow | None:
        """The row for a change; None for initial content of a document that exists."""
        assert self._writer is not None
        room, path, incarnation, record, _, is_initial, _ = change
        name = (room, path)
        document = known.get(name) or _find(self._writer, room, path)
        if document is None:
            now = record.time_ms
            document = DocumentRow(self._next_id, room, path, incarnation, now, now, 0, 0)
        elif is_initial:
            return None
        if document.incarnation != incarnation:
            raise ValueError(f"the stored incarnation is {document.incarnation}")
        if change[:3] in self._ended:
            # What follows a lost record may build on it.
            raise ValueError(self._ended[change[:3]])
        row = encode_log_row(self._next_row, document, record)
        if document.last_seq == 0:
            self._next_id += 1
            catalogue.add(self._writer, new_room(room, record.time_ms))
            self._writer.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?)",
                (document.id, room, path, incarnation, document.created_ms),
            )
        document.last_row = self._next_row
        self._next_row += 1
        document.last_seq += 1
        document.changed_ms = record.time_ms
        document.stored_bytes += sum(map(len, record.updates))
        known[name] = touched[document.id] = document
        return row

    def _refuse(self, change: Change, error: Exception) -> Refusal:
        self._ended[change[:3]] = str(error)
        return Refusal(*change[:3], str(error))


def _delete(connection: sqlite3.Connection, document: int) -> None:
    delete_records(connection, document)
    for table, column in _OF_DOCUMENT.items():
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (document,))


def _hold(folder: Path) -> int:
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise Misconfigured(
            f"{folder} is in use by another syncroom server (process {holder}); "
            "stop it, or give this one a data folder of its own"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _lengthen(wal: Path) -> None:
    """Make the write-ahead log as long as it gets between two checkpoints.

    SQLite takes zeros for the end of the log. Of a file that grows the new length has to be synced
    as well: commits of 1.1 ms take 0.9 like this, the slowest tenth 1.7 ms and more instead of 6.
    """
    with wal.open("r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            file.write(bytes(max(0, _WAL_BYTES - size)))
        except OSError as error:  # it is no longer than it was, and works as well
            os.ftruncate(file.fileno(), size)
            log.info("%s stays at %d bytes: %s", wal, size, error)


def _sync(path: Path) -> None:
    """Have a file on disk, or the entries of a folder: without its entry a file is lost."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _find(connection: sqlite3.Connection, room: str, path: str) -> DocumentRow | None:
    select = "SELECT id FROM documents WHERE room = ? AND path = ?"
    found = connection.execute(select, (room, path)).fetchone()
    if found is None:
        return None
    row = connection.execute(f"{SELECT_DOCUMENTS} WHERE id = ?", found).fetchone()
    if row is None:
        raise Damaged(f"{path!r} in room {room!r} has a name and no row")
    document = _checked(row, room)
    if document.path != path:
        raise Damaged(f"{path!r} in room {room!r} leads to the row of {document.path!r}")
    return document


def _checked(row: tuple[Any, ...], room: str) -> DocumentRow:
    *columns, checksum = row
    document = DocumentRow(*columns)
    if document.room != room or document.checksum() != checksum:
        raise Damaged(f"the row of {document.path!r} in room {room!r} is not what was written")
    return document
