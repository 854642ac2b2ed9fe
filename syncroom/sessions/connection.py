"""What a session knows of its socket, and how a socket is refused."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, ClassVar, Protocol

from syncroom.errors import (
    Conflict,
    Damaged,
    Denied,
    Disabled,
    LimitExceeded,
    Malformed,
    NotFound,
    SyncroomError,
    Unauthenticated,
    Unavailable,
)
from syncroom.logs import log_incident

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.auth.participant import Participant

_log = logging.getLogger("syncroom.sessions")

CLOSE_RESTART = 1012
CLOSE_INTERNAL = 1011
CLOSE_TRY_LATER = 1013

_CLOSE_CODES: dict[type[SyncroomError], int] = {
    Unauthenticated: 4401,
    Denied: 4403,
    NotFound: 4404,
    Conflict: 4409,
    Disabled: 4423,
    Malformed: 1007,
    LimitExceeded: 1009,
    Unavailable: CLOSE_TRY_LATER,
    Damaged: CLOSE_TRY_LATER,
}


def close_code(error: SyncroomError) -> int:
    """The WebSocket close code for an error.

    Providers give up for good on 4400 - 4499 and try again later on everything else.
    """
    codes = (_CLOSE_CODES[kind] for kind in type(error).__mro__ if kind in _CLOSE_CODES)
    return next(codes, CLOSE_INTERNAL)


class Session(Protocol):
    """One client on one connection."""

    protocol: ClassVar[str]
    """What it speaks, in one word."""

    room_name: str

    participant: Participant

    @property
    def is_lagging(self) -> bool:
        """Whether the client reads slower than it is sent to."""

    def receive(self, message: bytes) -> None:
        """Take one binary message."""

    def fail(self, error: SyncroomError) -> None:
        """Answer what the connection could not make a message of, and end."""

    def keep_alive(self) -> None:
        """Send something, however little."""

    def pause(self) -> None:
        """The client reads slower than it is sent to."""

    def resume(self) -> None:
        """The client has read most of what it was sent."""

    def restart(self) -> None:
        """The server stops: end the connection so that the client comes back."""

    def end(self) -> None:
        """The connection is lost or about to be closed; called once or more."""


class Connection(Protocol):
    """One WebSocket."""

    write: Callable[[bytes], None]
    """Send frames that are encoded already."""

    session: Session | None

    is_open: bool
    """False once it is lost, or about to be closed."""

    address: str
    """Where the client is, as far as proxies that are trusted say."""

    bytes_in: int
    """How many bytes came."""

    def hold(self) -> None:
        """Take nothing more for the time being, until it is released as often as it was held."""

    def release(self) -> None:
        """Take what comes again."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and end the connection."""

    def abort(self) -> None:
        """End the connection without a word: some clients come back only after that."""

    def dismiss(
        self, code: int, reason: str, *, keepalive: bytes = b"", offender: str | None = None
    ) -> None:
        """Close for good after a while, in which nothing is read: some clients dial at once.

        Args:
            code: the close code.
            reason: what it says beside it.
            keepalive: what keeps the client from dialling again for want of messages.
            offender: who is held longer each time it is dismissed with this code; None for
                refusals that the client can do nothing about.
        """


def close_by_fault(connection: Connection, error: BaseException, who: dict[str, str]) -> None:
    """Close after a fault of our own, under an id that stands in the log beside the details."""
    incident = log_incident(_log, "a session failed", error, **who)
    connection.close(CLOSE_INTERNAL, f"internal error, incident {incident}")


def expire_later(session: Session, expires_at: float | None) -> asyncio.TimerHandle | None:
    """Let a session end with its token."""
    if expires_at is None:
        return None
    error = Unauthenticated("the token has expired")
    delay = max(0.0, expires_at - time.time())
    return asyncio.get_running_loop().call_later(delay, session.fail, error)
