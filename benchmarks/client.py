"""
Clients that put load on a document, and count what reaches them.

Bytes that several clients got alike are read once, and counted for each. A unit is delivered to a
client when it follows on those that the client has; what comes out of order is lost, and counted
as lost.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from select import EPOLLIN, EPOLLOUT
from typing import TYPE_CHECKING

from benchmarks import wire
from benchmarks.errors import MeasurementFailed
from benchmarks.received import Received

if TYPE_CHECKING:
    from collections.abc import Callable
    from select import epoll

    from benchmarks.keystrokes import Burst, Keystrokes
    from benchmarks.servers import Server

_TIMED_READ_BYTES = 1 << 14
_MEMO_MAX = 64
"""Runs of bytes whose meaning is remembered: those of a turn or two."""

_BURSTS_MAX = 1024
"""Bursts that are recognised when they come back; the others are read frame by frame."""

_SO_TIMESTAMPNS = 35
"""Linux' number for it: the kernel notes when bytes arrive, however busy their reader is."""

_TIMESPEC = struct.Struct("@ll")
_NOTES_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)


class Document:
    """A document under load: its clients, of whom the first few write, and what arrived."""

    def __init__(self, name: str, server: Server, keys: Keystrokes, writers: int) -> None:
        self.name = name
        self.server = server
        self.writers = writers
        self.dialect = server.kind.dialect
        self.to = wire.address(self.dialect, name)
        self.clients: list[Client] = []
        self.sent = [0] * writers
        self.delivered = 0
        self.on_units: Callable[[int, int, int, int, int], None] | None = None
        """Told of a reader, a writer, the clocks from and to, and when they arrived (ns)."""
        self.memo: dict[bytes, Received] = {}
        self.bursts: dict[bytes, Burst] = {}
        self._keys = keys

    @property
    def expected(self) -> int:
        """How many deliveries there are once everybody has everything of the others."""
        return sum(self.sent) * (len(self.clients) - 1)

    def type(self, writer: int, count: int = 1) -> None:
        """Send a writer's next keystrokes."""
        clock = self.sent[writer]
        self.sent[writer] = clock + count
        burst = self._keys.burst(self.to, writer, clock, count)
        if len(self.bursts) >= _BURSTS_MAX:
            self.bursts.clear()
        self.bursts[burst.first] = burst
        self.clients[writer].send(burst.sent)

    def fill(self, window: int) -> None:
        """Let every writer send so much that a window of its updates is not delivered yet."""
        readers = len(self.clients) - 1
        undelivered = -(-(self.expected - self.delivered) // readers)
        count = window - -(-undelivered // self.writers)
        if count > 0:
            for writer in range(self.writers):
                self.type(writer, count)


class Client:
    """One connection to one document."""

    def __init__(
        self, document: Document, poll: epoll, vector: bytes, *, who: int | None, is_timed: bool
    ) -> None:
        self.index = len(document.clients)
        document.clients.append(self)
        self.document = document
        self.seen = [0] * document.writers
        """For each writer, the clock up to which its units are here; its own came back."""
        self.step_2: bytes | None = None
        self.synced_at = 0.0
        self.is_closed = False
        self._poll = poll
        self._has_unsent = True
        self._vector = vector
        self._is_open = False
        self._is_timed = is_timed
        self._rest = b""
        path = document.server.kind.path(document.name, self.index if who is None else who)
        self._outbox = wire.handshake(path)
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_timed:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.started_at = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            self.socket.connect(("127.0.0.1", document.server.port))
        poll.register(self.socket, EPOLLIN | EPOLLOUT)

    def send(self, data: bytes) -> None:
        """Send now what the socket takes, and the rest when it takes more."""
        self._outbox = self._outbox + data if self._outbox else data
        self.flush()

    def flush(self) -> None:
        try:
            sent = self.socket.send(self._outbox)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.is_closed = True
            return
        self._outbox = self._outbox[sent:]
        if self._has_unsent != bool(self._outbox):
            self._has_unsent = not self._has_unsent
            self._poll.modify(self.socket, EPOLLIN | EPOLLOUT if self._has_unsent else EPOLLIN)

    def receive(self, buffer: memoryview) -> None:
        """Take what has arrived, by way of a buffer. Raises `MeasurementFailed`."""
        arrived_ns = 0
        try:
            if self._is_timed:
                data, notes, _, _ = self.socket.recvmsg(_TIMED_READ_BYTES, _NOTES_BYTES)
                arrived_ns = _arrival_ns(notes)
            else:
                data = bytes(buffer[: self.socket.recv_into(buffer)])
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_closed = True
            return
        if self._rest:
            data = self._rest + data
        if not self._is_open:
            data = self._open(data)
        if self._is_open and data:
            self._take(self._read(data), arrived_ns)

    def _open(self, data: bytes) -> bytes:
        """Say what is to be said once the handshake is done; returns what came after it."""
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            self._rest = data
            return b""
        if not head.startswith(b"HTTP/1.1 101 "):
            raise MeasurementFailed(f"the handshake was refused: {head[:80]!r}")
        self._is_open = True
        self._rest = b""
        document = self.document
        self.send(wire.opening(document.dialect, document.name, self._vector))
        return rest

    def _read(self, data: bytes) -> Received:
        document = self.document
        dialect, memo, bursts = document.dialect, document.memo, document.bursts
        if self.step_2 is None:
            return Received(dialect, data, bursts, is_synced=False)
        received = memo.get(data)
        if received is None:
            if len(memo) >= _MEMO_MAX:
                memo.clear()
            received = memo[data] = Received(dialect, data, bursts)
        return received

    def _take(self, received: Received, arrived_ns: int) -> None:
        self._rest = received.rest
        if received.step_2 is not None:
            self.step_2 = received.step_2
            self.synced_at = time.monotonic()
        if received.is_asked:
            self.send(wire.nothing_to_add(self.document.to))
        for payload in received.pings:
            self.send(wire.pong(payload))
        self.is_closed = self.is_closed or received.is_closed
        seen, document = self.seen, self.document
        for writer, start, end in received.units:
            known = seen[writer]
            if end <= known:
                continue
            seen[writer] = end
            start = max(start, known)  # a gap is not delivered, and lost unless it is filled
            if writer != self.index:
                document.delivered += end - start
            if document.on_units is not None:
                document.on_units(self.index, writer, start, end, arrived_ns)


def _arrival_ns(notes: list[tuple[int, int, bytes]]) -> int:
    """The kernel's note of when the bytes came; at the end of a connection there is none."""
    if not notes:
        return time.time_ns()
    seconds, nanoseconds = _TIMESPEC.unpack(notes[0][2])
    return int(seconds * 1_000_000_000 + nanoseconds)
