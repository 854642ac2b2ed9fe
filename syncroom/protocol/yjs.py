"""
The messages of y-protocols, which y-websocket and its relatives speak over binary WebSocket frames.

Source of the format: y-protocols, ``PROTOCOL.md``, ``sync.js``, ``auth.js``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol import awareness, varint

if TYPE_CHECKING:
    from collections.abc import Iterator

SYNC, AWARENESS, AUTH, QUERY_AWARENESS = range(4)
STEP_1, STEP_2, UPDATE = range(3)

MESSAGES_MAX = 1000
"""Messages in one frame, of which clients send a few: each is answered before anybody else is."""


class Message(NamedTuple):
    """One message; a frame may hold several."""

    kind: int
    step: int
    """Of a sync message `STEP_1`, `STEP_2` or `UPDATE`; otherwise 0."""
    body: bytes


def read_messages(frame: bytes) -> Iterator[Message]:
    """The messages of a frame, one by one.

    Raises `Malformed` when it comes to a bad one, `LimitExceeded` when to one too many.
    """
    at = count = 0
    if not frame:
        raise Malformed("a frame is empty")
    while at < len(frame):
        count += 1
        if count > MESSAGES_MAX:
            raise LimitExceeded(f"a frame holds more than {MESSAGES_MAX} messages")
        kind, at = varint.decode(frame, at)
        step, body = 0, b""
        if kind == SYNC:
            step, at = varint.decode(frame, at)
            if step > UPDATE:
                raise Malformed(f"a sync message has the unknown type {step}")
        elif kind not in (AWARENESS, QUERY_AWARENESS):
            raise Malformed(f"a message has the unknown type {kind}")
        if kind != QUERY_AWARENESS:
            body, at = varint.decode_bytes(frame, at)
        yield Message(kind, step, body)


def step_1(vector: bytes) -> bytes:
    """The question what the other side lacks of a state vector."""
    return b"\0\0" + varint.encode_bytes(vector)


def step_2(update: bytes) -> bytes:
    """The answer to step 1."""
    return b"\0\1" + varint.encode_bytes(update)


def update(data: bytes) -> bytes:
    """A change, as it happens."""
    return b"\0\2" + varint.encode_bytes(data)


def presence(entries: bytes) -> bytes:
    """An awareness update."""
    return b"\1" + varint.encode_bytes(entries)


def denied(reason: str) -> bytes:
    """The news that something was not permitted."""
    return b"\2\0" + varint.encode_text(reason)


KEEPALIVE = presence(awareness.EMPTY)
