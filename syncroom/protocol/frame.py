"""Binary WebSocket frames from server to client, which are never masked (RFC 6455, section 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def binary_frame(message: bytes) -> bytes:
    """One message as one frame."""
    size = len(message)
    if size < 126:
        return bytes((0x82, size)) + message
    if size < 1 << 16:
        return b"\x82\x7e" + size.to_bytes(2, "big") + message
    return b"\x82\x7f" + size.to_bytes(8, "big") + message


def messages(frames: bytes) -> Iterator[bytes]:
    """The messages of frames that `binary_frame` made: for servers that frame by themselves."""
    at = 0
    while at < len(frames):
        size = frames[at + 1]
        at += 2
        if size > 125:
            end = at + (2 if size == 126 else 8)
            size, at = int.from_bytes(frames[at:end], "big"), end
        yield frames[at : at + size]
        at += size
