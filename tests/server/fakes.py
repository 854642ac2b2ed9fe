"""A transport without a socket, and a gate that seats a session which only remembers."""

from __future__ import annotations

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from websockets.frames import Frame, Opcode

from syncroom.admission import Admission
from syncroom.auth.keys import Keyring
from syncroom.auth.participant import Participant
from syncroom.errors import NotFound
from syncroom.limits import Limits
from syncroom.metrics import Metrics
from syncroom.server.address import TrustedProxies
from syncroom.server.offences import Offences
from syncroom.server.websocket import WebSocketProtocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncroom.errors import SyncroomError
    from syncroom.server.arrival import Arrival
    from syncroom.server.gate import Gate, Seat

MASK = b"\x11\x22\x33\x44"


class FakeTransport(asyncio.Transport):
    """Keeps what is written, and how it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_paused = False
        self.end = ""
        self.wrote = asyncio.Event()
        self.ended = asyncio.Event()

    def write(self, data: Any) -> None:
        self.written += data
        self.wrote.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def close(self) -> None:
        self.end = self.end or "closed"
        self.ended.set()

    def abort(self) -> None:
        self.end = "aborted"
        self.ended.set()


class RecordingSession:
    """A session that remembers what the connection asked of it."""

    protocol: ClassVar[str] = "yjs"
    room_name = "demo"
    participant = Participant("ann", "Ann", "user", None, None)
    is_lagging = False

    def __init__(self, connection: WebSocketProtocol) -> None:
        self.connection = connection
        self.messages: list[bytes] = []
        self.errors: list[SyncroomError] = []
        self.calls: list[str] = []

    def receive(self, message: bytes) -> None:
        self.messages.append(message)

    def fail(self, error: SyncroomError) -> None:
        self.errors.append(error)
        self.connection.dismiss(1007, str(error), keepalive=b"keep", offender="somebody")

    def keep_alive(self) -> None:
        self.calls.append("keep alive")

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def restart(self) -> None:
        self.calls.append("restart")

    def end(self) -> None:
        self.calls.append("end")
        self.connection.session = None


class RecordingGate:
    """The part of a gate that connections know."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.metrics = Metrics()
        self.offences = Offences(limits)
        self.proxies = TrustedProxies("")
        self.connections: set[WebSocketProtocol] = set()
        self.refused: set[WebSocketProtocol] = set()
        self.arrivals: list[Arrival] = []
        self.admission = Admission(Keyring("x" * 32), limits)
        self.left: set[WebSocketProtocol] = set()
        self.drains = 0

    def find(self, arrival: Arrival) -> Seat:
        if arrival.endpoint != "known":
            raise NotFound("there is no such endpoint")
        return partial(self._seat, arrival)

    def _seat(self, arrival: Arrival, connection: WebSocketProtocol) -> None:
        self.arrivals.append(arrival)
        self.connections.add(connection)
        connection.session = RecordingSession(connection)

    def leave(self, connection: WebSocketProtocol) -> None:
        self.left.add(connection)

    def forget(self, connection: WebSocketProtocol) -> None:
        self.connections.discard(connection)
        self.refused.discard(connection)

    def drain(self) -> None:
        self.drains += 1


class Wired:
    """A connection whose handshake is done, fed by hand."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.gate = RecordingGate(limits or Limits())
        self.state = SimpleNamespace(connections=set())
        self.transport = FakeTransport()
        self.protocol = WebSocketProtocol(
            cast("Gate", self.gate),
            config=cast("Any", None),
            server_state=cast("Any", self.state),
            app_state={},
        )
        self.protocol.connection_made(self.transport)
        self.answer = b""

    def shake_hands(self, path: str = "/known", *headers: str) -> RecordingSession | None:
        self.feed(handshake(path, *headers))
        self.answer = bytes(self.transport.written)
        self.transport.written.clear()
        self.transport.wrote.clear()
        return cast("RecordingSession | None", self.protocol.session)

    def feed(self, *parts: bytes) -> None:
        for part in parts:
            self.protocol.data_received(part)

    def written(self) -> list[tuple[int, bytes]]:
        """The frames that were written: opcode and content, none masked or in parts."""
        return list(read_frames(bytes(self.transport.written)))


def handshake(path: str, *headers: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(data: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    """A frame as a client sends it."""
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def read_frames(data: bytes) -> Iterable[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        opcode, length = data[at], data[at + 1]
        assert opcode & 0x80 and length < 128, "a server's frames are whole and not masked"
        at += 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        yield opcode & 15, data[at : at + length]
        at += length
    assert at == len(data), "a frame is not whole"
