"""What connections have in common, whatever carries them: how they stay, and how they end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from syncroom.errors import LimitExceeded, Malformed, SyncroomError
from syncroom.sessions.connection import CLOSE_TRY_LATER

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.server.gate import Gate
    from syncroom.sessions.connection import Session

CLOSE_S = 2.0
"""A client that does not answer a close frame in that time is cut off."""


class SeatedConnection(ABC):
    """One WebSocket that the gate knows; to its session it is the `Connection`."""

    __slots__ = (
        "_control_bytes",
        "_gate",
        "_idle_bytes",
        "_idle_since",
        "_keepalive",
        "_limits",
        "_loop",
        "_timer",
        "address",
        "bytes_in",
        "is_open",
        "session",
        "write",
    )

    write: Callable[[bytes], None]

    def __init__(self, gate: Gate) -> None:
        self.session: Session | None = None
        self.is_open = False
        self.address = ""
        self.bytes_in = 0
        self._gate = gate
        self._limits = gate.limits
        self._loop = asyncio.get_running_loop()
        self._control_bytes = 0
        """Of the bytes that came, those of frames which are no messages."""
        self._idle_bytes = -1
        """How many bytes of messages had come at the tick since which none came."""
        self._idle_since = 0.0
        self._keepalive = b""
        """What a client is sent while it is held."""
        self._timer: asyncio.TimerHandle | None = None
        """For the next step of an end: to close what is dismissed, to cut off what is closed."""

    @abstractmethod
    def hold(self) -> None:
        """Read nothing more for the time being."""

    @abstractmethod
    def release(self) -> None:
        """Read on."""

    @abstractmethod
    def close(self, code: int, reason: str) -> None:
        """Send a close frame and end the connection."""

    @abstractmethod
    def abort(self) -> None:
        """End the connection without a word."""

    def tick(self) -> None:
        """Keep the connection alive, or find that nobody uses it."""
        if self._keepalive:
            self.write(self._keepalive)
        elif self._is_idle():
            self.close(CLOSE_TRY_LATER, "no message came for too long")
        elif self.session is not None:
            self.session.keep_alive()

    def dismiss(
        self, code: int, reason: str, *, keepalive: bytes = b"", offender: str | None = None
    ) -> None:
        """Close for good after a while, in which nothing is read."""
        self._leave()
        self._gate.metrics.refuse_connection(code)
        hold_s = self._limits.refusal_s
        if offender is not None:
            hold_s = self._gate.offences.hold_s(offender, code, self._loop.time())
        if len(self._gate.refused) >= self._limits.refusals_max:
            self.close(code, reason)
            return
        self._gate.refused.add(self)
        self._keepalive = keepalive
        self.hold()
        self._again(hold_s, self.close, code, reason)

    def _leave(self) -> None:
        self.is_open = False
        self._gate.leave(self)
        if self.session is not None:
            self.session.end()

    def _forget(self) -> None:
        """Let go of everything: the connection is lost."""
        self._leave()
        if self._timer is not None:
            self._timer.cancel()
        self._gate.forget(self)
        self._gate.metrics.bytes_in += self.bytes_in
        self.bytes_in = 0

    def _is_idle(self) -> bool:
        """Whether no message came for long; what answers pings is none."""
        now, count = self._loop.time(), self.bytes_in - self._control_bytes
        if count != self._idle_bytes:
            self._idle_bytes, self._idle_since = count, now
        return now - self._idle_since > self._limits.idle_s_max

    def _again(self, delay_s: float, step: Callable[..., None], *args: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, step, *args)

    def _refuse_text(self) -> None:
        self._fail(Malformed("a text frame came, messages are binary"))

    def _refuse_size(self, length: int) -> None:
        allowed = self._limits.message_bytes_max
        self._fail(LimitExceeded(f"a message has {length} bytes, {allowed} are allowed"))

    def _fail(self, error: SyncroomError) -> None:
        if self.session is not None:
            self.session.fail(error)
