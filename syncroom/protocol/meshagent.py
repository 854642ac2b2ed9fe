"""
The packets and messages of the MeshAgent room protocol.

A message is a number, a type and a body; it travels as packets, one to a binary frame: the first
says how many follow, the rest carry slices of the body. Packets of two messages never mix. The
body is a JSON object and, after it, raw bytes. Calls of tools pass contents: a header that says
what it is, and bytes.

Source of the format: the published SDKs, ``meshagent-api`` 0.56.0 on PyPI (``protocol.py``,
``messaging.py``) and ``@meshagent/meshagent`` 0.39.9 on npm.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol.frame import binary_frame
from syncroom.protocol.value import check_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INVOKE = "room.invoke_tool"
REQUEST_CHUNK = "room.tool_call_request_chunk"
RESPONSE_CHUNK = "room.tool_call_response_chunk"
HOST_CALL = "room.tool_call"
"""To the host of a toolkit; the name of the toolkit follows after a dot."""
HOST_RESPONSE = "room.tool_call_response"
RESPONSE = "__response__"
READY = "room_ready"
CONNECTED = "connected"
STATUS = "room.status"
LIST_TOOLKITS = "room.list_toolkits"
REGISTER_TOOLKIT = "room.register_toolkit"
UNREGISTER_TOOLKIT = "room.unregister_toolkit"
CALL_AGENT = "room.call"
SET_ATTRIBUTES = "set_attributes"

SLICE_BYTES = 1 << 18
"""Of a body in one packet. Receivers take any size; the Python SDK's socket ends at 4 MiB."""

_ID_BYTES, _INDEX_BYTES = 8, 4
_HEAD_BYTES = _ID_BYTES + _INDEX_BYTES
_TOTAL_MAX = 1 << 16
"""Packets of one message: the SDKs send slices of 1 KiB."""

_TYPE_BYTES_MAX = 512
_TRACE = "__meshagent__"
"""What SDKs add to every header, for tracing; it is nobody's data."""


class Message(NamedTuple):
    """One message, whole."""

    number: int
    """What its sender numbered it; an answer bears the number of the request."""
    kind: str
    body: bytes


class Content(NamedTuple):
    """What a tool is given or gives."""

    header: Mapping[str, Any]
    """Its ``type``, and what that type has beside it."""
    payload: bytes = b""

    @property
    def kind(self) -> str:
        """The type, empty where the header names none."""
        kind = self.header.get("type")
        return kind if isinstance(kind, str) else ""

    @property
    def is_open(self) -> bool:
        """Whether it says that a stream begins."""
        return self.kind == "control" and self.header.get("method") == "open"

    @property
    def is_close(self) -> bool:
        """Whether it says that a stream ends."""
        return self.kind == "control" and self.header.get("method") == "close"


EMPTY = Content({"type": "empty"})
OPEN = Content({"type": "control", "method": "open"})
CLOSE = Content({"type": "control", "method": "close", "status_code": 1000})


def json_content(value: Mapping[str, Any]) -> Content:
    """A JSON object."""
    return Content({"type": "json", "json": value})


def binary_content(headers: Mapping[str, Any], payload: bytes = b"") -> Content:
    """Bytes, and what is said of them."""
    return Content({"type": "binary", "headers": headers}, payload)


def error_content(text: str, code: int | None = None) -> Content:
    """Why something failed."""
    header: dict[str, Any] = {"type": "error", "text": text}
    if code is not None:
        header["code"] = code
    return Content(header)


class Assembler:
    """Makes messages of the packets of one connection.

    Args:
        bytes_max: the body of one message, in bytes.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._number = 0
        self._kind = ""
        self._total = 0
        self._slices: list[bytes] = []
        self._size = 0

    def take(self, packet: bytes) -> Message | None:
        """The message that a packet completes; raises `Malformed`, `LimitExceeded`."""
        if len(packet) < _HEAD_BYTES:
            raise Malformed(f"a packet has {len(packet)} bytes, fewer than its head takes")
        number = int.from_bytes(packet[:_ID_BYTES], "big")
        index = int.from_bytes(packet[_ID_BYTES:_HEAD_BYTES], "big")
        if index == 0:
            self._begin(number, packet)
        else:
            self._continue(number, index, packet)
        if len(self._slices) < self._total:
            return None
        body = b"".join(self._slices)
        self._slices, self._size, self._total = [], 0, 0
        return Message(self._number, self._kind, body)

    def _begin(self, number: int, packet: bytes) -> None:
        if len(self._slices) < self._total:
            raise Malformed(f"a message begins before message {self._number} is whole")
        kind_at = _HEAD_BYTES + _INDEX_BYTES
        if len(packet) < kind_at:
            raise Malformed("the first packet of a message is cut off")
        if len(packet) - kind_at > _TYPE_BYTES_MAX:
            raise LimitExceeded(f"the type of a message has more than {_TYPE_BYTES_MAX} bytes")
        total = int.from_bytes(packet[_HEAD_BYTES:kind_at], "big")
        if total > _TOTAL_MAX:
            raise LimitExceeded(f"a message has {total} packets, {_TOTAL_MAX} are allowed")
        try:
            kind = packet[kind_at:].decode()
        except UnicodeDecodeError:
            raise Malformed("the type of a message is not UTF-8") from None
        self._number, self._kind, self._total = number, kind, total

    def _continue(self, number: int, index: int, packet: bytes) -> None:
        if not self._total or number != self._number or index != len(self._slices) + 1:
            raise Malformed(f"packet {index} of message {number} comes where it can't")
        self._size += len(packet) - _HEAD_BYTES
        if self._size > self._bytes_max:
            raise LimitExceeded(f"a message has more than {self._bytes_max} bytes")
        self._slices.append(packet[_HEAD_BYTES:])


def encode(number: int, kind: str, body: bytes) -> bytes:
    """A message as the WebSocket frames of its packets, ready to be sent by a server."""
    return b"".join(map(binary_frame, packets(number, kind, body)))


def packets(number: int, kind: str, body: bytes) -> Iterator[bytes]:
    """The packets of a message, each of which a binary frame carries."""
    head = number.to_bytes(_ID_BYTES, "big")
    slices = [body[at : at + SLICE_BYTES] for at in range(0, len(body), SLICE_BYTES)]
    yield head + bytes(_INDEX_BYTES) + len(slices).to_bytes(_INDEX_BYTES, "big") + kind.encode()
    for index, each in enumerate(slices, 1):
        yield head + index.to_bytes(_INDEX_BYTES, "big") + each


def pack(header: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """A body: a JSON object, and raw bytes after it."""
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return len(text).to_bytes(_ID_BYTES, "big") + text + payload


def unpack(body: bytes, depth_max: int) -> tuple[dict[str, Any], bytes]:
    """What `pack` was given, without what SDKs add for tracing; raises `Malformed`.

    Args:
        body: the body of a message.
        depth_max: how deep its JSON may be nested.
    """
    size = int.from_bytes(body[:_ID_BYTES], "big")
    end = _ID_BYTES + size
    if len(body) < _ID_BYTES or len(body) < end:
        raise Malformed("the body of a message is shorter than it says")
    try:
        header = check_json(body[_ID_BYTES:end].decode(), depth_max)
    except UnicodeDecodeError:
        raise Malformed("the header of a message is not UTF-8") from None
    if not isinstance(header, dict):
        raise Malformed("the header of a message is no JSON object")
    header.pop(_TRACE, None)
    return header, body[end:]


def read_content(header: object, payload: bytes) -> Content:
    """A content from its header, which is an object; raises `Malformed`."""
    if not isinstance(header, dict):
        raise Malformed("a content is no JSON object")
    return Content(header, payload)
