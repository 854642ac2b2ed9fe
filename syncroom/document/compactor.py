"""
Compacts documents in the background: one at a time for a server, off its event loop.

A document is read from the store, compacted and verified in a process of its own, and becomes the
store's new generation. If it is open, it goes on from the same bytes. Whatever goes wrong, the
document stays as it was, and is not tried again until it has changed.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import signal
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from syncroom.document import child
from syncroom.document.worker import Compacted, Job, decode_result
from syncroom.errors import Malformed, SyncroomError, Unavailable
from syncroom.logs import about
from syncroom.protocol.update import read_update
from syncroom.store.base import Generation

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.document.document import Document
    from syncroom.limits import Limits
    from syncroom.protocol.update import Update
    from syncroom.store.base import Store, StoredDocument

_log = logging.getLogger("syncroom.compaction")


class Compaction(NamedTuple):
    """What became of a document whose turn came."""

    bytes_before: int
    bytes: int
    refusal: str | None = None
    """Why it was left as it is."""


class Compactor:
    """The documents of one server that wait to be compacted.

    Args:
        store: where they are kept.
        limits: the bounds of the server.
        find: the document of a room and a path, if it is open.
    """

    def __init__(
        self, store: Store, limits: Limits, find: Callable[[str, str], Document | None]
    ) -> None:
        self._store = store
        self._limits = limits
        self._find = find
        self._wanted: dict[tuple[str, str], list[asyncio.Future[Compaction]]] = {}
        """In order, with those who want to know what becomes of it."""
        self._failed: dict[tuple[str, str], tuple[str, int, str]] = {}
        """For what could not be compacted: its incarnation, its last record's number, and why."""
        self._work: asyncio.Task[None] | None = None

    def want(self, room: str, path: str) -> None:
        """Compact a document when its turn comes."""
        self._queue(room, path)

    async def compact(self, room: str, path: str) -> Compaction:
        """Compact a document when its turn comes, and return what became of it."""
        waiter: asyncio.Future[Compaction] = asyncio.get_running_loop().create_future()
        self._queue(room, path).append(waiter)
        return await waiter

    async def settle(self) -> None:
        """Return when nothing waits any more."""
        while self._work is not None:
            await asyncio.wait([self._work])

    async def close(self) -> None:
        """Give up what is not done; whoever waits for it is cancelled."""
        if self._work is not None:
            self._work.cancel()
            await self.settle()

    def _queue(self, room: str, path: str) -> list[asyncio.Future[Compaction]]:
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._work_off())
        return self._wanted.setdefault((room, path), [])

    async def _work_off(self) -> None:
        waiters: list[asyncio.Future[Compaction]] = []
        try:
            while self._wanted:
                room, path = next(iter(self._wanted))
                waiters = self._wanted.pop((room, path))
                result = await self._compact(room, path)
                for waiter in waiters:
                    if not waiter.done():  # whoever waited may be gone
                        waiter.set_result(result)
        finally:
            for waiter in chain(waiters, *self._wanted.values()):
                waiter.cancel()
            self._wanted.clear()
            self._work = None

    async def _compact(self, room: str, path: str) -> Compaction:
        document = self._find(room, path)
        if document is not None:
            document.begin_compaction()
        update: Update | None = None
        before = 0
        try:
            stored = await self._store.load(room, path)
            if stored is None:
                return Compaction(0, 0, "there is no such document")
            before = sum(map(len, stored.updates))
            *failed, reason = self._failed.get((room, path), ("", 0, ""))
            if failed == [stored.incarnation, stored.last_seq]:
                return Compaction(before, before, reason)
            if not stored.records:
                return Compaction(before, before)
            base = await self._replace(room, path, stored)
            if document is not None:
                read = partial(read_update, base, self._limits.value_depth_max)
                update = await asyncio.get_running_loop().run_in_executor(None, read)
            sizes = about(room=room, path=path, bytes_before=before, bytes=len(base))
            _log.info("compacted a document", extra=sizes)
            return Compaction(before, len(base))
        except SyncroomError as error:
            _log.warning("not compacted: %s", error, extra=about(room=room, path=path))
            return Compaction(before, before, str(error))
        except Exception:
            _log.exception("not compacted", extra=about(room=room, path=path))
            return Compaction(before, before, "a fault; the log has the details")
        finally:
            if document is not None:
                document.end_compaction(update)

    async def _replace(self, room: str, path: str, stored: StoredDocument) -> bytes:
        """The new base of a document, once it is on disk."""
        result = await self._run(stored)
        if isinstance(result, str):
            self._failed[room, path] = stored.incarnation, stored.last_seq, result
            raise Malformed(result)
        self._failed.pop((room, path), None)
        generation = Generation(stored.base_seq, stored.last_seq, result.base, result.traces)
        if not await self._store.replace(room, path, stored.incarnation, generation):
            raise Unavailable("it is another document by now")
        return result.base

    async def _run(self, stored: StoredDocument) -> Compacted | str:
        """What a process of its own makes of a document, or why it makes nothing."""
        limits = self._limits
        loop = asyncio.get_running_loop()
        job = await loop.run_in_executor(None, Job.of, stored, limits)
        order = await loop.run_in_executor(None, pickle.dumps, job)
        process = await child.start("syncroom.document.worker")
        try:
            async with asyncio.timeout(limits.compaction_s_max):
                answer, _ = await process.communicate(order)
            return decode_result(answer)
        except TimeoutError:
            return f"it took longer than {limits.compaction_s_max:g} s"
        except Malformed as error:
            if process.returncode == -signal.SIGPROF:
                return "native code does not come to an end with it"
            return f"{error}, with exit code {process.returncode}"
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
