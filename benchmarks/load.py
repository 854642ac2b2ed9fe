"""
The load generator: many clients on one epoll, in plain Python, and the ways in which they write.

It is slower than the servers it measures, and may be: what is quoted is deliveries for each second
of the *server's* processor time, and enough updates are always on their way.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from benchmarks.client import Client, Document
from benchmarks.errors import MeasurementFailed
from benchmarks.wire import EMPTY_VECTOR

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from types import TracebackType

_SYNC_S_MAX = 30.0
_DRAIN_S_MAX = 40.0
_SILENT_S_MAX = 3.0
_DIALLED_MAX = 48
"""Connections that are opened at one time, where opening them is not what is measured."""

_BUFFER_BYTES = 1 << 18
_POLL_S = 0.05


class Crowd:
    """The clients of one measurement; all are gone when it ends."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))

    def __enter__(self) -> Crowd:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in list(self._clients.values()):
            self.leave(client)
        self._poll.close()

    def join(
        self,
        document: Document,
        vector: bytes = EMPTY_VECTOR,
        *,
        who: int | None = None,
        is_timed: bool = False,
    ) -> Client:
        """Begin to connect one more client.

        Args:
            document: what it opens.
            vector: the state vector of what it has already.
            who: whose token it uses; without it, one that nobody else in the document has.
            is_timed: whether the arrival of each update is to be known.
        """
        client = Client(document, self._poll, vector, who=who, is_timed=is_timed)
        self._clients[client.socket.fileno()] = client
        return client

    def leave(self, client: Client) -> None:
        """Drop a client's connection."""
        del self._clients[client.socket.fileno()]
        client.socket.close()

    def gather(
        self, documents: Sequence[Document], clients: int, *, is_timed: bool = False
    ) -> None:
        """Connect as many clients to each document; first one to each, for some servers can't
        make a document for two at once."""
        for index in range(clients):
            waiting: list[Client] = []
            for document in documents:
                waiting.append(self.join(document, is_timed=is_timed))
                if len(waiting) >= _DIALLED_MAX:
                    self.sync(waiting)
                    waiting.clear()
            if index == 0:
                self.sync(waiting)
        self.sync(list(self._clients.values()))

    def sync(self, clients: Collection[Client], s_max: float = _SYNC_S_MAX) -> None:
        """Wait until these clients have their documents. Raises `MeasurementFailed`."""
        deadline = time.monotonic() + s_max
        while (missing := sum(client.step_2 is None for client in clients)) > 0:
            if time.monotonic() > deadline:
                raise MeasurementFailed(f"{missing} of {len(clients)} clients were not synced")
            self.poll(_POLL_S)

    def poll(self, timeout_s: float) -> set[Document]:
        """Send and take what can be sent and taken; returns the documents of which one heard.

        Raises `MeasurementFailed` if a server closed a connection.
        """
        touched = set()
        for fd, events in self._poll.poll(timeout_s):
            client = self._clients[fd]
            if events & select.EPOLLOUT:
                client.flush()
            if events != select.EPOLLOUT:
                client.receive(self._buffer)
                touched.add(client.document)
            if client.is_closed:
                raise MeasurementFailed("the server closed a connection")
        return touched

    def drain(self, documents: Sequence[Document], silent_s_max: float = _SILENT_S_MAX) -> None:
        """Wait until everything is delivered. Raises `MeasurementFailed` if it never is.

        A slow server may take its time: what was not delivered is lost once nothing comes any more.
        """
        expected = sum(document.expected for document in documents)
        begun = heard = time.monotonic()
        while (lost := expected - sum(document.delivered for document in documents)) > 0:
            now = time.monotonic()
            if now - heard > silent_s_max or now - begun > _DRAIN_S_MAX:
                raise MeasurementFailed(f"{lost} of {expected} deliveries were lost")
            if self.poll(_POLL_S):
                heard = now
        if lost < 0:
            raise MeasurementFailed(f"{-lost} more deliveries than there were updates to deliver")

    def type_freely(self, documents: Sequence[Document], window: int, seconds: float) -> None:
        """Write with a window of undelivered updates for each writer."""
        end = time.monotonic() + seconds
        touched: Collection[Document] = documents
        while time.monotonic() < end:
            for document in touched:
                document.fill(window)
            touched = self.poll(_POLL_S)

    def type_evenly(self, document: Document, per_s: float, seconds: float) -> list[int]:
        """Write at a fixed rate, in turns; returns what each delivery took, in nanoseconds.

        It counts from just before the update is handed to the kernel to the kernel's own note of
        its arrival, so that a slow reader here is not taken for a slow server.
        """
        sent_ns: list[list[int]] = [[] for _ in range(document.writers)]
        took_ns: list[int] = []

        def note(reader: int, writer: int, start: int, end: int, arrived_ns: int) -> None:
            if reader != writer:
                took_ns.extend([arrived_ns - sent for sent in sent_ns[writer][start:end]])

        document.on_units = note
        begun = time.monotonic()
        for number in range(round(per_s * seconds)):
            due = begun + number / per_s
            while (left := due - time.monotonic()) > 0:
                self.poll(left)
            writer = number % document.writers
            sent_ns[writer].append(time.time_ns())
            document.type(writer)
        self.drain([document])
        return took_ns
