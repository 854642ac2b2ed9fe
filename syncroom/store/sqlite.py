"""
Documents in one SQLite file of a data folder, acknowledged when they are on disk.

``append`` puts a record into a list. One thread writes: what arrived while the last commit ran goes
into the next, a lone record is committed at once, and under load commits start a pause apart.
Another thread reads, so neither a slow disk nor a large document holds up the event loop.

While the disk fails nothing is acknowledged and nothing is dropped: the records stay in order and
are tried again every second. A record for another history of the document than the stored one is
never written; it is logged, and ``on_refusal`` is told.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from syncroom.errors import Unavailable
from syncroom.store import catalogue, items
from syncroom.store.check import check_file, check_rows
from syncroom.store.database import Change, Database, Written
from syncroom.store.schema import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from syncroom.store.base import (
        DocumentInfo,
        Finding,
        Generation,
        Item,
        Record,
        Refusal,
        RoomInfo,
        StoredDocument,
        Trace,
    )

RETRY_S = 1.0
"""A failed commit is tried again so often: soon enough for people, rarely enough for a log."""

_CATALOGUE = "the catalogue of rooms"

T = TypeVar("T")

log = logging.getLogger("syncroom.store")


class SqliteStore:
    """The `Store` of one server on one machine."""

    def __init__(self, data_dir: Path, *, commit_pause_s: float) -> None:
        self.failure: str | None = None
        self.on_failure: Callable[[str | None], None] | None = None
        self.on_refusal: Callable[[Refusal], None] | None = None
        self._data_dir = data_dir
        self._database = Database(data_dir)
        self._commit_pause_s = commit_pause_s
        self._writer = ThreadPoolExecutor(1, "syncroom-store-writer")
        self._reader = ThreadPoolExecutor(1, "syncroom-store-reader")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: list[Change] = []
        self._batch: list[Change] = []
        self._is_scheduled = False
        self._timer: asyncio.Handle | None = None
        self._next_commit = 0.0
        self._settled = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    async def open(self) -> None:
        """Hold the data folder; raises `Misconfigured` or `Damaged`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._database.open)
        self._loop = loop

    def append(
        self,
        room: str,
        path: str,
        incarnation: str,
        record: Record,
        durable: Callable[[], None] | None = None,
        schema: str = "",
    ) -> None:
        """Queue a record; ``durable`` runs once it is on disk."""
        self._pending.append((room, path, incarnation, record, durable, False, schema))
        if not self._is_scheduled:
            self._schedule()

    async def create(
        self, room: str, path: str, incarnation: str, initial: Record
    ) -> StoredDocument:
        """Create a document with its initial content, or return the one that exists."""
        if self.failure is not None:
            raise Unavailable(self.failure)  # what waits would be one more with each attempt
        self._pending.append((room, path, incarnation, initial, None, True, ""))
        if not self._is_scheduled:
            self._schedule()
        document = await self.load(room, path)
        if document is None:
            raise Unavailable(f"{path!r} in room {room!r} could not be created; see the log")
        return document

    async def load(self, room: str, path: str) -> StoredDocument | None:
        """Read a document, with all that was appended to it before."""
        loop = self._running()
        waiting = chain(self._batch, self._pending)
        if any(change[1] == path and change[0] == room for change in waiting):
            await self._settle()
        return await loop.run_in_executor(self._reader, self._database.read, room, path)

    async def replace(self, room: str, path: str, incarnation: str, generation: Generation) -> bool:
        """Put a base in the place of records; raises `Unavailable`, and tries it once only."""
        write = partial(self._database.replace, room, path, incarnation, generation)
        try:
            return await self._running().run_in_executor(self._writer, write)
        except sqlite3.Error as error:
            raise Unavailable(
                f"{path!r} in room {room!r} keeps its log: {describe(error)}"
            ) from error

    async def traces(self, room: str, path: str) -> list[Trace]:
        """The traces of the records that a document's base stands for."""
        try:
            return await self._running().run_in_executor(
                self._reader, self._database.traces, room, path
            )
        except sqlite3.Error as error:
            raise Unavailable(
                f"the traces of {path!r} in room {room!r} can't be read: {describe(error)}"
            ) from error

    async def delete(self, room: str, path: str) -> bool:
        """Take a document away, after all that was appended to it before."""
        await self._settle()
        delete = partial(self._database.delete, room, path)
        try:
            return await self._running().run_in_executor(self._writer, delete)
        except sqlite3.Error as error:
            raise Unavailable(
                f"{path!r} in room {room!r} can't be deleted: {describe(error)}"
            ) from error

    async def add_room(self, room: RoomInfo) -> bool:
        """Put a room into the catalogue."""
        return await self._change(_CATALOGUE, partial(catalogue.add, room=room))

    async def find_room(self, name: str) -> RoomInfo | None:
        """The room of a name."""
        return await self._look_up(_CATALOGUE, partial(catalogue.find, name=name))

    async def find_room_id(self, id: str) -> RoomInfo | None:
        """The room of an id."""
        return await self._look_up(_CATALOGUE, partial(catalogue.find_id, id=id))

    async def list_rooms(self, after: str, contains: str, limit: int) -> tuple[list[RoomInfo], int]:
        """Some rooms by name, and how many match in all."""
        page = partial(catalogue.page, after=after, contains=contains, limit=limit)
        return await self._look_up(_CATALOGUE, page)

    async def disabled_rooms(self) -> list[str]:
        """The names of the rooms that are disabled."""
        return await self._look_up(_CATALOGUE, catalogue.disabled)

    async def update_room(self, room: RoomInfo) -> bool:
        """Write a room over the one of its name and id."""
        return await self._change(_CATALOGUE, partial(catalogue.update, room=room))

    async def delete_room(self, name: str) -> bool:
        """Take a room away with its documents, after all that was appended to them before."""
        await self._settle()
        delete = partial(self._database.delete_room, name)
        try:
            return await self._running().run_in_executor(self._writer, delete)
        except sqlite3.Error as error:
            raise Unavailable(f"room {name!r} can't be deleted: {describe(error)}") from error

    async def rooms(self) -> list[str]:
        """The names of the rooms that have documents on disk."""
        return await self._running().run_in_executor(self._reader, self._database.rooms)

    async def documents(self, room: str, near: str = "") -> list[DocumentInfo]:
        """The documents of a room that are on disk, by path."""
        read = partial(self._database.documents, room, near)
        return await self._running().run_in_executor(self._reader, read)

    async def items(self, room: str, api: str) -> list[Item]:
        """What an API keeps in a room."""
        return await self._look_up(
            _kept(room, api), lambda connection: items.read(connection, room, api)
        )

    async def change_items(
        self,
        room: str,
        api: str,
        put: Sequence[Item] = (),
        drop: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Write items, and take others away."""
        await self._change(
            _kept(room, api),
            lambda connection: items.change(connection, room, api, put, drop),
        )

    async def flush(self) -> None:
        """Return when everything appended so far is on disk, or was refused."""
        await self._settle()

    async def check_file(self) -> list[Finding]:
        """What is wrong in the file; read beside all else, in a thread of its own."""
        return await asyncio.to_thread(check_file, self._data_dir)

    async def check_rows(self, room: str, path: str) -> list[Finding]:
        """What is wrong in the rows of a document; likewise."""
        return await asyncio.to_thread(check_rows, self._data_dir, room, path)

    async def close(self) -> None:
        """Write what waits, and let go of the folder; raises `Unavailable` if it can't be written.

        The folder is let go in either case.
        """
        if self._loop is None:
            return
        try:
            await self._settle()
        except Unavailable as error:
            count = len(self._batch) + len(self._pending)
            raise Unavailable(f"{count} records were never written: {error}") from error
        finally:
            loop, self._loop = self._loop, None
            self._is_scheduled = False
            if self._timer is not None:
                self._timer.cancel()
            await loop.run_in_executor(self._writer, self._let_go)
            self._writer.shutdown()

    async def _look_up(self, what: str, read: Callable[[sqlite3.Connection], T]) -> T:
        look_up = partial(self._database.look_up, what, read)
        return await self._running().run_in_executor(self._reader, look_up)

    async def _change(self, what: str, write: Callable[[sqlite3.Connection], T]) -> T:
        change = partial(self._database.change, write)
        try:
            return await self._running().run_in_executor(self._writer, change)
        except sqlite3.Error as error:
            raise Unavailable(f"{what} can't be changed: {describe(error)}") from error

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise Unavailable("the store is not open")
        return self._loop

    def _let_go(self) -> None:
        self._reader.shutdown()
        self._database.close()

    def _schedule(self) -> None:
        loop = self._loop
        if loop is None:
            self._pending.clear()
            raise Unavailable("the store is not open")
        self._is_scheduled = True
        wait_s = self._next_commit - loop.time()
        if wait_s > 0:
            self._timer = loop.call_later(wait_s, self._commit)
        else:
            self._timer = loop.call_soon(self._commit)

    def _commit(self) -> None:
        loop = self._running()
        self._timer = None
        self._next_commit = loop.time() + self._commit_pause_s
        # After a failure the batch is not empty, and stays first.
        self._batch += self._pending
        self._pending = []
        commit = loop.run_in_executor(self._writer, self._database.write, self._batch)
        commit.add_done_callback(self._finish)

    def _finish(self, commit: asyncio.Future[Written]) -> None:
        error = commit.exception()
        if error is not None:
            self._fail(error)
            return
        written = commit.result()
        self._settled += len(self._batch)
        self._batch = []
        for refusal in written.refusals:
            log.error("%s", refusal)
            if self.on_refusal is not None:
                _call(partial(self.on_refusal, refusal))
        if self.failure is not None:
            log.warning("writing works again: %s", self._database.file)
            self._set_failure(None)
        for durable in written.durable:
            _call(durable)
        self._wake(None)
        self._is_scheduled = False
        if self._pending and self._loop is not None:
            self._schedule()

    def _fail(self, error: BaseException) -> None:
        reason = f"{self._database.file} can't be written: {describe(error)}"
        if reason != self.failure:
            trace = None if isinstance(error, sqlite3.Error) else error
            log.error("%s; trying again every %g s", reason, RETRY_S, exc_info=trace)
            self._set_failure(reason)
        self._wake(reason)
        if self._loop is not None:
            self._timer = self._loop.call_later(RETRY_S, self._commit)

    def _set_failure(self, reason: str | None) -> None:
        self.failure = reason
        on_failure = self.on_failure
        if on_failure is not None:
            _call(lambda: on_failure(reason))

    async def _settle(self) -> None:
        """Return when what waits is on disk; begins at once, pause or not."""
        loop = self._running()
        count = len(self._batch) + len(self._pending)
        if count == 0:
            return
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append((self._settled + count, waiter))
        if self._timer is not None:
            self._timer.cancel()
            self._commit()
        await waiter

    def _wake(self, failure: str | None) -> None:
        """Tell those whose records are on disk, or after a failure all who wait."""
        waiters, self._waiters = self._waiters, []
        for target, waiter in waiters:
            if waiter.done():  # whoever waited was cancelled
                continue
            if failure is not None:
                waiter.set_exception(Unavailable(failure))
            elif target <= self._settled:
                waiter.set_result(None)
            else:
                self._waiters.append((target, waiter))


def _kept(room: str, api: str) -> str:
    return f"what room {room!r} keeps for {api!r}"


def _call(callback: Callable[[], None]) -> None:
    """One callback that raises must not keep the others from their acknowledgement."""
    try:
        callback()
    except Exception:
        log.exception("a callback of the store raised")
