"""
View hosts: processes that read and write the content of documents, so that native code which fails
takes nothing with it.

A few at most run at one time; they are started when they are needed and ended when they are not.
One that dies, or takes more time or memory than it may, is replaced at the next request; what it
was asked for raises `HostDied`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

from syncroom.document import child
from syncroom.document.calls import LENGTH_BYTES, length, pack, unpack
from syncroom.errors import SyncroomError, Unavailable

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from syncroom.limits import Limits

_log = logging.getLogger("syncroom.document.host")

_KINDS = {kind.code: kind for kind in SyncroomError.__subclasses__()}
_WALL_FACTOR = 20
"""A host that is alive and answers nothing for so many times its processor time is ended: the
machine may be busy, so processor time is what is measured."""


class HostDied(SyncroomError):
    """A host ended over a request.

    Args:
        reason: how it ended.
        is_spent: whether it ran out of time or memory, which large documents do as well.
    """

    def __init__(self, reason: str, *, is_spent: bool) -> None:
        super().__init__(reason)
        self.is_spent = is_spent


class Answer(NamedTuple):
    """What a host returned."""

    value: Any
    data: bytes


class ViewHosts:
    """The view hosts of one server. Lives on one event loop."""

    def __init__(self, limits: Limits) -> None:
        self.started = 0
        """Hosts that were started so far."""
        self.died = 0
        """Hosts that ended over a request so far."""
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.view_hosts_max)
        self._waiting = 0
        self._idle: list[_Host] = []
        self._timers: dict[_Host, asyncio.TimerHandle] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def call(self, op: str, data: bytes, **arguments: Any) -> Answer:
        """Have a host do something with a document.

        Raises what the host answers; `HostDied` where it ends instead; `Unavailable` where too
        many wait already, or none can be started.
        """
        limits = self._limits
        if self._waiting >= limits.view_waiting_max:
            raise Unavailable(f"{self._waiting} others wait to read or write content already")
        size = len(data) + len(arguments.get("content", ""))
        cpu_s = limits.view_cpu_s * (1 + size / (1 << 20))
        request = {"op": op, "cpu_s": cpu_s, "depth_max": limits.value_depth_max, **arguments}
        self._waiting += 1
        try:
            async with self._slots:
                return await self._ask(pack(request, data), cpu_s)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End all hosts that are idle; none is busy once the requests are answered."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while self._idle:
            await self._idle.pop().end()
        await asyncio.gather(*self._leaving)

    async def _ask(self, frame: bytes, cpu_s: float) -> Answer:
        host = await self._take()
        try:
            header, data = await host.ask(frame, cpu_s)
        except HostDied as error:
            self.died += 1
            _log.warning("a view host ended: %s", error)
            raise
        except BaseException:  # cancelled: what the host answers next would be for this request
            await host.end()
            raise
        self._give_back(host)
        if "fault" in header:
            _log.error("a view host failed: %s", header["fault"])
            raise SyncroomError(f"reading or changing the content failed: {header['fault']}")
        if "error" in header:
            code, message = header["error"]
            raise _KINDS[code](message)
        return Answer(header["value"], data)

    async def _take(self) -> _Host:
        if self._idle:
            host = self._idle.pop()
            self._timers.pop(host).cancel()
            return host
        host = await _Host.start(self._limits.view_memory_bytes_max)
        self.started += 1
        return host

    def _give_back(self, host: _Host) -> None:
        self._idle.append(host)
        loop = asyncio.get_running_loop()
        self._timers[host] = loop.call_later(self._limits.view_idle_s, self._retire, host)

    def _retire(self, host: _Host) -> None:
        self._idle.remove(host)
        del self._timers[host]
        leaving = asyncio.get_running_loop().create_task(host.dismiss())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


class _Host:
    """One process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, memory: int) -> _Host:
        """Start a process; raises `Unavailable`."""
        return cls(await child.start("syncroom.document.view", str(memory)))

    async def ask(self, frame: bytes, cpu_s: float) -> tuple[dict[str, Any], bytes]:
        """One request; raises `HostDied`."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            async with asyncio.timeout(cpu_s * _WALL_FACTOR):
                process.stdin.write(frame)
                with contextlib.suppress(ConnectionError):  # the answer says it better
                    await process.stdin.drain()
                head = await process.stdout.readexactly(LENGTH_BYTES)
                header, data = unpack(await process.stdout.readexactly(length(head)))
        except asyncio.IncompleteReadError:
            code = await process.wait()
            raise _explain(code, cpu_s) from None
        except TimeoutError:
            await self.end()
            raise HostDied("it did not answer in time", is_spent=True) from None
        if "broken" in header:
            await self.end()
            reason = header["broken"]
            raise HostDied(f"{reason} in native code", is_spent=reason == "MemoryError")
        return header, data

    async def dismiss(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def end(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _explain(code: int, cpu_s: float) -> HostDied:
    if code == -signal.SIGPROF:
        return HostDied(f"it took more than {cpu_s:.1f} s of processor time", is_spent=True)
    # What runs out of memory in native code aborts; so does a panic in a panic.
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return HostDied(f"it ended with {name}", is_spent=-code in (signal.SIGABRT, signal.SIGKILL))
