"""
HTTP as uvicorn speaks it, with bounds on what anybody may send before it is known who they are.

A request is whole within a time and a size, headers and body, or its connection ends. A client that
sends nothing, or a byte now and then, holds a socket no longer than that. The body of a PUT, a
PATCH or a question to a language model alone has bounds of its own: its endpoint reads it, once the
token permits it. Who takes nothing of an answer for too long is cut off.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.http11 import MAX_LINE_LENGTH

from syncroom.errors import LimitExceeded, Malformed
from syncroom.server.http.api import error_body
from syncroom.server.stall import StallWatch

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from syncroom.errors import SyncroomError
    from syncroom.limits import Limits

_FORBIDDEN = "403 Forbidden"
"""After any other status, SDKs dial again and again, with the same token."""

_TOO_SLOW = "408 Request Timeout"
_TOO_LARGE = "413 Content Too Large"
_HEAD_TOO_LARGE = "431 Request Header Fields Too Large"

_LINE_BYTES_MAX = MAX_LINE_LENGTH - 64
"""Of a request for a WebSocket, which the library takes; 64 bytes are what stands around."""

_LINGER_S = 2.0
"""A client that still sends what was refused is listened to for so long."""

_WITH_BODY = (b"PUT ", b"PATCH ", b"POST /openai/", b"POST /anthropic/")


class HttpProtocol(HttpToolsProtocol):
    """One HTTP connection, up to its end or to the upgrade to a WebSocket."""

    def __init__(
        self,
        limits: Limits,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._deadline: asyncio.TimerHandle | None = None
        self._received = 0
        self._may_have_body = False
        self._has_head = False
        self._is_body = False
        """Whether a body is under way that an endpoint bounds, which first looks at the token."""
        self._is_refused = False
        """Whether that body was answered before it was whole, and the rest is not read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(transport)
        self._stall = StallWatch(transport, self._limits.transfer_stalled_s_max)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the request that was to come."""
        self._end_request()
        self._stall.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._stall.begin()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._stall.end()

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request, unless it is too much."""
        if self._is_refused:
            return
        if self._is_body:
            super().data_received(data)
            if self._is_body and self.cycle.response_complete:
                self._linger()
            return
        if self._deadline is None:
            self._expect_request()
        if self._received == 0:
            self._may_have_body = data.startswith(_WITH_BODY)
        end = data.find(b"\r\n\r\n") if self._may_have_body else -1
        self._received += len(data) if end < 0 else end
        allowed = self._limits.handshake_bytes_max
        if self._received > allowed:
            why = LimitExceeded(f"a request may have {allowed} bytes, headers and body")
            taken = data[: allowed - self._received + len(data)]
            has_head = self._has_head or b"\r\n\r\n" in taken
            self._refuse(_TOO_LARGE if has_head else _HEAD_TOO_LARGE, why)
        else:
            super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """Hand over to the protocol of WebSockets, which answers by itself."""
        self._end_request()
        lines = [self.url, *(name + value for name, value in self.scope["headers"])]
        longest = max(map(len, lines))
        if longest > _LINE_BYTES_MAX:
            why = f"a line of the request has {longest} bytes, {_LINE_BYTES_MAX} are allowed"
            self._refuse(_FORBIDDEN, LimitExceeded(f"{why}: use a shorter token"))
        else:
            super().handle_websocket_upgrade()

    def on_headers_complete(self) -> None:
        """The head of a request is whole."""
        super().on_headers_complete()
        self._has_head = True
        if self._may_have_body:
            self._end_request()
            self._is_body = True

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._is_body = False
        self._end_request()
        super().on_message_complete()

    def _linger(self) -> None:
        """End, but let the client read the answer: closed at once, it may find a reset instead."""
        self._is_refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)

    def _expect_request(self) -> None:
        self._received, self._has_head = 0, False
        why = Malformed("the request did not come in time")
        self._deadline = self.loop.call_later(
            self._limits.handshake_s_max, self._refuse, _TOO_SLOW, why
        )

    def _end_request(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: str, why: SyncroomError) -> None:
        self._end_request()
        is_answered = self.cycle is not None and self.cycle.response_started
        if not is_answered:
            body = json.dumps(error_body(why))
            head = f"content-type: application/json\r\ncontent-length: {len(body)}"
            answer = f"HTTP/1.1 {status}\r\n{head}\r\nconnection: close\r\n\r\n{body}"
            self.transport.write(answer.encode())
        self.transport.close()
