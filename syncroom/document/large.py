"""
Updates with more parts than can be read at once: somebody brings a year of typing from elsewhere.

Each is vetted and taken apart by a process of its own, and comes back as small updates that are
taken one after the other, with pauses in which everybody else is served. Few are taken apart at a
time, and so many bytes of them may wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from typing import TYPE_CHECKING

from syncroom.document import child
from syncroom.document.calls import LENGTH_BYTES, length, pack, unpack
from syncroom.document.splitter import END, ERROR, SPENT, decode_part
from syncroom.errors import LimitExceeded, Malformed, Unavailable

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator

    from syncroom.limits import Limits
    from syncroom.protocol.update import Update

_log = logging.getLogger("syncroom.document.large")

_PARTS, _BYTES = 1000, 64 << 10
"""Of each of the small updates: taking it is a matter of 2 ms, and so is sending it to many."""

_TURN_S = 0.005
"""After so much of the event loop there is a pause."""

_WALL_FACTOR = 20
"""A process that says nothing for so many times its processor time is given up: it yields to
everything else on the machine."""

_KINDS = {kind.code: kind for kind in (Malformed, LimitExceeded)}


class LargeUpdates:
    """The large updates of one server. Lives on one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.large_updates_at_once_max)
        self._bytes = 0
        """Of all that wait or are being taken."""

    async def parts(self, data: bytes) -> AsyncGenerator[Update, None]:
        """Take an update apart; close what is returned, for it ends the process.

        What is done with a part is counted: the next one comes after a pause, so that of a core no
        more is taken than one participant may take.

        Raises:
            Malformed: the bytes are no update that every implementation can hold.
            LimitExceeded: it takes more time or memory than there is for one.
            Unavailable: too many wait already, or no process can be started.
        """
        allowed = self._limits.large_updates_bytes_max
        if self._bytes + len(data) > allowed:
            raise Unavailable(
                f"{self._bytes} bytes of large updates wait to be read, {allowed} are allowed; "
                "try again later"
            )
        self._bytes += len(data)
        try:
            async with self._slots, contextlib.aclosing(self._split(data)) as parts:
                pace = _Pace(self._limits.cpu_share_max)
                async for part in parts:
                    began = time.perf_counter()
                    yield part
                    await pace.rest(time.perf_counter() - began)
        finally:
            self._bytes -= len(data)

    async def close(self) -> None:
        """Wait for the processes to end, once nobody wants anything of them any more."""
        count = self._limits.large_updates_at_once_max
        for _ in range(count):
            await self._slots.acquire()
        for _ in range(count):
            self._slots.release()

    async def _split(self, data: bytes) -> AsyncGenerator[Update, None]:
        limits = self._limits
        request = {
            "depth_max": limits.value_depth_max,
            "parts_max": min(_PARTS, max(1, limits.update_parts_max // 2)),
            "bytes_max": _BYTES,
            "cpu_s": limits.large_update_cpu_s_max,
            "memory_bytes": limits.large_update_memory_bytes_max,
        }
        process = await child.start("syncroom.document.splitter")
        try:
            assert process.stdin is not None
            process.stdin.write(pack(request, data))
            with contextlib.suppress(ConnectionError):  # the answer says it better
                await process.stdin.drain()
            process.stdin.close()
            while (part := await self._next(process)) is not None:
                yield part
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _next(self, process: Process) -> Update | None:
        """The next part; None at the end."""
        limits = self._limits
        assert process.stdout is not None
        try:
            async with asyncio.timeout(limits.large_update_cpu_s_max * _WALL_FACTOR):
                head = await process.stdout.readexactly(LENGTH_BYTES)
                header, data = unpack(await process.stdout.readexactly(length(head)))
        except asyncio.IncompleteReadError:
            code = await process.wait()
            if code in (-signal.SIGXCPU, -signal.SIGKILL):
                raise self._spent() from None
            _log.error("the process that takes updates apart ended with exit code %d", code)
            raise Unavailable("the update could not be read; try again later") from None
        except TimeoutError:
            raise Unavailable("the update could not be read in time; try again later") from None
        if SPENT in header:
            raise self._spent()
        if ERROR in header:
            code, message = header[ERROR]
            raise _KINDS[code](message)
        return None if END in header else decode_part(data)

    def _spent(self) -> LimitExceeded:
        limits = self._limits
        return LimitExceeded(
            f"to read the update takes more than {limits.large_update_cpu_s_max} s or "
            f"{limits.large_update_memory_bytes_max >> 20} MiB; make large changes in several "
            "transactions"
        )


class _Pace:
    """Pauses between the parts of an update.

    Args:
        share: of one core, for taking them.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._taken_s = 0.0

    async def rest(self, seconds: float) -> None:
        """Let everybody else be served, now that a part took so long."""
        self._taken_s += seconds
        if self._taken_s < _TURN_S:
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(max(0.0, self._taken_s / self._share - self._taken_s))
            self._taken_s = 0.0
