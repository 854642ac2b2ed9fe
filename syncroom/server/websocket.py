"""
WebSockets below the per-message API: a protocol class for uvicorn on the sans-I/O core of
`websockets`.

Whole masked binary frames, which is nearly all there is, are taken apart here and handed to the
session in the call that received them. Every other frame, the handshake and the closing go the
library's own way. Sessions write frames that are encoded already.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from starlette.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.typing import Subprotocol

from syncroom.errors import SyncroomError
from syncroom.server.arrival import read_arrival
from syncroom.server.credentials import accepted_subprotocol
from syncroom.server.gate import status_of
from syncroom.server.seated import CLOSE_S, SeatedConnection
from syncroom.server.stall import StallWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from syncroom.server.arrival import Arrival
    from syncroom.server.gate import Gate, Seat

_core_log = logging.getLogger("syncroom.server.websocket.core")
_core_log.setLevel(logging.WARNING)  # below that it writes headers and frames: tokens, content

_TICKS_SILENT_MAX = 2
"""Whole intervals between pings without a byte, after which a client counts as gone."""

_PING = b"\x89\0"
_WHOLE_BINARY = 0x82
_HEAD_BYTES_MIN = 6
"""Of a client's frame: two bytes, and the mask."""


class WebSocketProtocol(asyncio.Protocol, SeatedConnection):
    """One connection, from its handshake on."""

    __slots__ = (
        "_asking",
        "_core",
        "_holds",
        "_message",
        "_partial",
        "_partial_wants",
        "_server_connections",
        "_stall",
        "_ticks_silent",
        "_transport",
    )

    def __init__(
        self,
        gate: Gate,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        SeatedConnection.__init__(self, gate)
        self._server_connections = server_state.connections
        self._core = ServerProtocol(
            select_subprotocol=_select_subprotocol,
            max_size=gate.limits.message_bytes_max,
            logger=_core_log,
        )
        self._partial = bytearray()
        """The beginning of a frame whose rest is still to come."""
        self._partial_wants = 0
        self._holds = 0
        self._message = bytearray()
        """The beginning of a message that comes in fragments."""
        self._ticks_silent = 0
        self._asking: asyncio.Task[None] | None = None
        """While a hook is asked who it is."""

    # What asyncio and uvicorn call

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else ""
        self.write = transport.write
        transport.set_write_buffer_limits(high=self._limits.outbox_bytes_max)
        self._stall = StallWatch(transport, self._limits.outbox_stalled_s_max)
        self._server_connections.add(self)  # type: ignore[arg-type]  # it names its own classes

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._stall.end()
        if self._asking is not None:
            self._asking.cancel()
        self._server_connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._ticks_silent = 0
        self.bytes_in += len(data)
        if not self.is_open:
            self._feed(data)
            return
        if self._partial:
            self._partial += data
            if len(self._partial) < self._partial_wants:
                return
            data = bytes(self._partial)
            self._partial.clear()
            self._partial_wants = 0
        at, size = 0, len(data)
        while size - at >= _HEAD_BYTES_MIN and self.is_open and not self._holds:
            if data[at + 1] < 128:  # not masked: let the library say so
                self._feed(data[at:])
                return
            length, mask_at = data[at + 1] & 127, at + 2
            if length == 126:
                mask_at += 2
                length = int.from_bytes(data[at + 2 : mask_at], "big")
            elif length == 127:
                mask_at += 8
                length = int.from_bytes(data[at + 2 : mask_at], "big")
            end = mask_at + 4 + length
            if mask_at <= size and length > self._limits.message_bytes_max:
                self._refuse_size(length)
                return
            if end > size:
                self._partial_wants = end - at if mask_at <= size else 0
                break
            session = self.session
            if data[at] == _WHOLE_BINARY and session is not None:
                session.receive(apply_mask(data[mask_at + 4 : end], data[mask_at : mask_at + 4]))
            else:
                self._feed(data[at:end])
            at = end
        if at < size:
            self._partial += data[at:]
            if self._core.state is State.CLOSING:  # a message in these bytes ended it
                self._feed_rest()

    def eof_received(self) -> None:
        """Let the transport close."""

    def pause_writing(self) -> None:
        if self.session is not None:
            self.session.pause()
        self._stall.begin()

    def resume_writing(self) -> None:
        self._stall.end()
        if self.session is not None:
            self.session.resume()

    def shutdown(self) -> None:
        """Called for every connection when the server stops."""
        self.hold()
        self._gate.drain()

    # What the gate and sessions call

    def tick(self) -> None:
        """Keep the connection alive, or find that it is dead."""
        if not self._holds:  # otherwise nothing is read, so that silence says nothing
            self._ticks_silent += 1
            if self._ticks_silent > _TICKS_SILENT_MAX:
                self._transport.abort()
                return
        super().tick()
        if self.session is not None:
            self.write(_PING)

    def hold(self) -> None:
        self._holds += 1
        self._transport.pause_reading()

    def release(self) -> None:
        self._holds -= 1
        if not self._holds and self.is_open:
            self._transport.resume_reading()
            self._loop.call_soon(self._take_rest)

    def close(self, code: int, reason: str) -> None:
        self._leave()
        self._keepalive = b""
        if self._core.state is not State.OPEN:
            self._transport.close()
            return
        self._core.send_close(code, reason.encode()[:120].decode(errors="ignore"))
        self.write(b"".join(self._core.data_to_send()))
        self._again(CLOSE_S, self._transport.abort)
        self._transport.resume_reading()
        self._feed_rest()

    def abort(self) -> None:
        self._leave()
        self._transport.abort()

    # Inside

    def _feed(self, data: bytes) -> None:
        """Let the library read: the handshake, control frames, fragments, what breaks the rules."""
        self._core.receive_data(data)
        for event in self._core.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif self.is_open and isinstance(event, Frame):
                self._take_frame(event)
        output = b"".join(self._core.data_to_send())
        if output:
            self.write(output)
        if self._core.state is not State.OPEN:
            self._leave()
            core = self._core
            if core.close_rcvd is not None or core.parser_exc or core.handshake_exc:
                self._transport.close()

    def _take_rest(self) -> None:
        """Take what had come already when the connection was held."""
        if self.is_open:
            self.data_received(b"")

    def _feed_rest(self) -> None:
        """Let the library read on from here, to the close frame."""
        rest = bytes(self._partial)
        self._partial.clear()
        self._feed(rest)

    def _shake_hands(self, request: Request) -> None:
        forwarded = request.headers.get_all("X-Forwarded-For")
        self.address = self._gate.proxies.client(self.address, forwarded)
        headers = _headers(request)
        # It is told to nobody but who says so, whether a proxy that is trusted or not.
        is_secure = headers.get("x-forwarded-proto") == "https"
        arrival = read_arrival(request.path, headers, self.address, is_secure=is_secure)
        if not self._gate.admission.is_by_token:
            self.hold()
            self._asking = self._loop.create_task(self._ask(request, arrival))
            return
        try:
            seat = self._gate.find(arrival)
        except SyncroomError as error:
            self._reject(error)
        else:
            self._accept(request, seat)

    async def _ask(self, request: Request, arrival: Arrival) -> None:
        """Shake hands when a hook has said with whom."""
        try:
            seat = await self._gate.ask(arrival)
        except SyncroomError as error:
            self._reject(error)
        else:
            self._accept(request, seat)
        self.release()

    def _accept(self, request: Request, seat: Seat) -> None:
        self._respond(self._core.accept(request))
        if self._core.state is State.OPEN:
            self.is_open = True
            seat(self)

    def _reject(self, error: SyncroomError) -> None:
        self._gate.metrics.refuse_connection(status_of(error))
        self._respond(self._core.reject(status_of(error), f"{error}\n"))

    def _respond(self, response: Response) -> None:
        self._core.send_response(response)
        self.write(b"".join(self._core.data_to_send()))
        if self._core.state is not State.OPEN:
            self._transport.close()

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            self._refuse_text()
        elif frame.opcode in (Opcode.PING, Opcode.PONG):
            self._control_bytes += _HEAD_BYTES_MIN + len(frame.data)
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._message += frame.data
            if frame.fin and self.session is not None:
                message, self._message = bytes(self._message), bytearray()
                self.session.receive(message)


def _headers(request: Request) -> Headers:
    items = request.headers.raw_items()
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in items])


def _select_subprotocol(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    chosen = accepted_subprotocol(offered)
    return None if chosen is None else Subprotocol(chosen)
