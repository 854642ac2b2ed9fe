"""Binary WebSocket frames from server to client, which are never masked (RFC 6455, section 5.2)."""

from __future__ import annotations


def binary_frame(message: bytes) -> bytes:
    """One message as one frame."""
    size = len(message)
    if size < 126:
        return bytes((0x82, size)) + message
    if size < 1 << 16:
        return b"\x82\x7e" + size.to_bytes(2, "big") + message
    return b"\x82\x7f" + size.to_bytes(8, "big") + message
