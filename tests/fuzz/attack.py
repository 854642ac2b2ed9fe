"""Connections for hostile bytes, and an honest writer who measures how long the server takes."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.protocol import craft
from tests.server.fakes import handshake
from tests.support import wire
from tests.support.again import hold_to
from tests.support.raw import WAIT_S_MAX, RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.cases import Case
    from tests.support.server import Server

HANG_S_MAX = 5.0
"""What an honest client waits at most, for the disk and the processor too."""

REFUSED = b"\x02\x00"
"""How the message of y-protocols begins that a client is refused with."""


class Attacker(asyncio.Protocol):
    """A connection that sends anything and listens to nothing.

    Args:
        refusal: what it is sent when nothing more of it is looked at; empty for a mere close.
    """

    def __init__(self, refusal: bytes) -> None:
        self._refusal = refusal
        self.is_spent = False
        """Whether what is sent to it will not be looked at any more."""
        self.is_up = asyncio.Event()
        self._head = b""
        self._tail = b""
        """The last bytes that came, in which a refusal may have begun."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.is_up.is_set():
            self._head += data
            if b"\r\n\r\n" in self._head:
                self.is_up.set()
        is_refused = bool(self._refusal) and self._refusal in self._tail + data
        self._tail = (self._tail + data)[-len(REFUSED) :]
        self.is_spent |= is_refused or data[:1] == b"\x88"

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_spent = True
        self.is_up.set()


class Attackers:
    """As many connections to one place as are needed; spent ones are replaced."""

    def __init__(self, server: Server, target: str, refusal: bytes = REFUSED) -> None:
        self._server = server
        self._refusal = refusal
        self._request = handshake(target)
        self._free: list[Attacker] = []
        self._visitors: list[Attacker] = []

    async def send(self, cases: list[Case]) -> None:
        """Send each case over a connection of its own, all at once."""
        for each in self._free:
            if each.is_spent:
                each.transport.abort()
        self._free = [each for each in self._free if not each.is_spent]
        for visitor in self._visitors:
            visitor.transport.abort()
        self._visitors.clear()
        missing = sum(not case.is_http for case in cases) - len(self._free)
        self._free += await asyncio.gather(*(self._dial() for _ in range(missing)))
        attackers = iter(self._free)
        for case in cases:
            if case.is_http:
                visitor = await self._connect()
                visitor.transport.write(case.data)
                self._visitors.append(visitor)
            else:
                next(attackers).transport.write(case.data)

    def close(self) -> None:
        for each in [*self._free, *self._visitors]:
            each.transport.abort()

    async def _connect(self) -> Attacker:
        loop = asyncio.get_running_loop()
        _, attacker = await loop.create_connection(
            partial(Attacker, self._refusal), "127.0.0.1", self._server.port
        )
        return attacker

    async def _dial(self) -> Attacker:
        attacker = await self._connect()
        attacker.transport.write(self._request)
        async with asyncio.timeout(WAIT_S_MAX):
            await attacker.is_up.wait()
        return attacker


class Waits:
    """How long an honest client waited for a server, and how long that was busy meanwhile."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._waits_s: list[float] = []
        self._busy_s: list[float] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        """Measure one."""
        busy, began = _busy_s(self._server), time.perf_counter()
        yield
        wait_s = time.perf_counter() - began
        self._waits_s.append(wait_s)
        # not counting what it waited for the disk, or for a processor
        self._busy_s.append(min(wait_s, _busy_s(self._server) - busy))

    def hold_to(self, busy_s_max: float) -> None:
        """Raise `TooSlow` if one was too long."""
        hold_to(HANG_S_MAX, max(self._waits_s))
        if sys.platform == "linux":  # elsewhere the tests' own time counts
            hold_to(busy_s_max, max(self._busy_s))


class Probe:
    """An honest writer. It types a character at a time, and waits until that is on disk."""

    def __init__(self, raw: RawClient, server: Server, client: int) -> None:
        self._raw = raw
        self._client = client
        self._clock = 0
        self.waits = Waits(server)

    async def type(self) -> None:
        """Type one character; returns when it was confirmed."""
        struct = craft.string("h")
        if self._clock:
            struct = craft.behind(craft.STRING, wire.string("h"), (self._client, self._clock - 1))
        update = craft.update(craft.section(self._client, self._clock, struct))
        self._clock += 1
        seen = len(self._raw.received)
        with self.waits.one():
            await self._raw.send(wire.update(update))
            await self._raw.until(
                lambda: any(m.payload == update for m in self._raw.received[seen:]), "the echo"
            )
        self._raw.received.clear()
        self._raw.frames.clear()

    def text(self) -> str:
        return "h" * self._clock


def _busy_s(server: Server) -> float:
    """Processor time of the server's event loop so far, in seconds."""
    assert server.process is not None
    schedule = Path(f"/proc/{server.process.pid}/schedstat")
    if not schedule.exists():  # not Linux: everything counts
        return time.perf_counter()
    return int(schedule.read_text().split()[0]) / 1e9
