"""What load clients say, in the two dialects of Yjs servers: y-protocols and Hocuspocus."""

from __future__ import annotations

from enum import Enum, auto

from websockets.speedups import apply_mask

FIRST_WRITER = 1 << 28
"""Writers have the Yjs client ids from here on: five bytes each, as most real ones have."""

WRITERS_MAX = 100

NOTHING = b"\0\0"
"""The update without content."""

EMPTY_VECTOR = b"\0"

_MASK = b"\x5a\x0f\xc3\x96"
SYNC, AWARENESS, AUTH, SYNC_REPLY, SYNC_STATUS = 0, 1, 2, 4, 8
STEP_1, STEP_2, UPDATE = 0, 1, 2
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
TOKEN, AUTHENTICATED = 0, 2


class Dialect(Enum):
    """How documents are named on the wire."""

    YJS = auto()
    """y-protocols: one document for each socket, named by the path."""
    HOCUSPOCUS = auto()
    """The document's name stands before every message."""


def varuint(number: int) -> bytes:
    """A number as lib0 writes it."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def varbytes(data: bytes) -> bytes:
    """Bytes behind their length."""
    return varuint(len(data)) + data


def address(dialect: Dialect, document: str) -> bytes:
    """What stands before each message about a document."""
    return varbytes(document.encode()) if dialect is Dialect.HOCUSPOCUS else b""


def frame(message: bytes, opcode: int = BINARY) -> bytes:
    """A client's frame: masked, as servers require."""
    size = len(message)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + _MASK + apply_mask(message, _MASK)


def pong(payload: bytes) -> bytes:
    """The answer to a ping."""
    return frame(payload, PONG)


def handshake(path: str) -> bytes:
    """The request for a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c3luY3Jvb20gYmVuY2ghIQ==\r\n\r\n"
    ).encode()


def opening(dialect: Dialect, document: str, vector: bytes) -> bytes:
    """What a client says first: in Hocuspocus' dialect a token, then sync step 1."""
    to = address(dialect, document)
    step_1 = frame(to + bytes((SYNC, STEP_1)) + varbytes(vector))
    if dialect is Dialect.YJS:
        return step_1
    return frame(to + bytes((AUTH, TOKEN)) + varbytes(b"any token")) + step_1


def nothing_to_add(to: bytes) -> bytes:
    """The answer to the server's sync step 1 of a client that has nothing of its own."""
    return frame(to + bytes((SYNC, STEP_2)) + varbytes(NOTHING))


def change(to: bytes, update: bytes) -> bytes:
    """A client's own change."""
    return frame(to + bytes((SYNC, UPDATE)) + varbytes(update))


def relayed(to: bytes, update: bytes) -> bytes:
    """The same change as a server passes it on that leaves updates as they are."""
    message = to + bytes((SYNC, UPDATE)) + varbytes(update)
    return bytes((0x80 | BINARY, len(message))) + message


def keystroke(writer: int, clock: int) -> bytes:
    """The update in which a writer appends one letter to what it wrote before."""
    client = varuint(FIRST_WRITER + writer)
    if clock == 0:
        place = b"\x04\x01\x04text"
    else:
        place = b"\x84" + client + varuint(clock - 1)
    letter = bytes((1, ord("a") + clock % 26))
    return b"\1\1" + client + varuint(clock) + place + letter + b"\0"


def read_varuint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
