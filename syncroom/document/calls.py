"""
What passes between a server and its view host: a header that is JSON, and bytes, in one frame.

A frame is its own length in four bytes, the header's length in four bytes, the header, the bytes.
"""

from __future__ import annotations

import json
from typing import Any

LENGTH_BYTES = 4


def pack(header: dict[str, Any], data: bytes = b"") -> bytes:
    """One frame, ready to be written."""
    text = json.dumps(header, separators=(",", ":")).encode()
    size = len(text).to_bytes(LENGTH_BYTES, "big")
    whole = LENGTH_BYTES + len(text) + len(data)
    return b"".join((whole.to_bytes(LENGTH_BYTES, "big"), size, text, data))


def length(head: bytes) -> int:
    """How many bytes follow the first four of a frame."""
    return int.from_bytes(head, "big")


def unpack(frame: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and bytes of a frame whose own length was taken off."""
    end = LENGTH_BYTES + int.from_bytes(frame[:LENGTH_BYTES], "big")
    header: dict[str, Any] = json.loads(frame[LENGTH_BYTES:end])
    return header, frame[end:]
