"""
What the bytes mean that a server sends, as far as it takes to count.

Which writer's units arrived, from which clock to which, however the server has put updates
together. What is not understood is a failure: nothing that may hold units is passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benchmarks import wire
from benchmarks.errors import MeasurementFailed
from benchmarks.wire import FIRST_WRITER, WRITERS_MAX, Dialect, read_varuint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.keystrokes import Burst

_GC, _DELETED, _STRING, _SKIP = 0, 1, 4, 10

_WRITER = rb"[\x80-\xff]\x80\x80\x80\x01"
_CLOCK = rb"[\x80-\xff]{0,3}[\x00-\x7f]"
_KEYSTROKE_FRAME = re.compile(
    rb"\x82.\x00\x02.\x01\x01([\x80-\xff])\x80\x80\x80\x01(%(clock)b)"
    rb"\x84%(writer)b%(clock)b\x01[a-z]\x00" % {b"writer": _WRITER, b"clock": _CLOCK},
    re.DOTALL,
)
"""One keystroke of one writer in a frame of its own; it ends where its grammar says."""

_STRUCT = re.compile(rb"\x84%b%b\x01[a-z]" % (_WRITER, _CLOCK))
"""One keystroke inside an update that holds several."""


class Received:
    """What a run of bytes says that begins with a frame.

    Args:
        dialect: how documents are named.
        data: the bytes.
        bursts: by their first frame, what was sent lately and may come back as it is.
        is_synced: whether sync step 2 can hold units to count; the first one that a client gets
            brings what was there before, and is not taken apart.
    """

    __slots__ = (
        "_is_named",
        "_is_synced",
        "_spans",
        "is_asked",
        "is_closed",
        "pings",
        "rest",
        "step_2",
        "units",
    )

    def __init__(
        self,
        dialect: Dialect,
        data: bytes,
        bursts: Mapping[bytes, Burst],
        *,
        is_synced: bool = True,
    ) -> None:
        self.units: list[tuple[int, int, int]] = []
        """For a writer's index: the clocks from (inclusive) and to (exclusive) that arrived."""
        self.step_2: bytes | None = None
        self.is_asked = False
        """Whether the server sent sync step 1."""
        self.is_closed = False
        self.pings: list[bytes] = []
        self._is_named = dialect is Dialect.HOCUSPOCUS
        self._is_synced = is_synced
        self._spans: dict[int, list[int]] = {}
        self.rest = data[self._read_frames(data, self._read_keystrokes(data, bursts)) :]
        """The beginning of a frame that is not complete yet."""
        self.units += [(writer, start, end) for writer, (start, end) in self._spans.items()]

    def _read_keystrokes(self, data: bytes, bursts: Mapping[bytes, Burst]) -> int:
        """Read what is in the commonest forms as far as it goes."""
        at, size = 0, len(data)
        while size - at > 2:
            burst = bursts.get(data[at : at + data[at + 1] + 2])
            if burst is not None and data.startswith(burst.relayed, at):
                self._add(burst.writer, burst.start, burst.end)
                at += len(burst.relayed)
            elif match := _KEYSTROKE_FRAME.match(data, at):
                clock = _short_varuint(match[2])
                self._add(match[1][0] & 127, clock, clock + 1)
                at = match.end()
            else:
                break
        return at

    def _read_frames(self, data: bytes, at: int) -> int:
        size = len(data)
        while size - at >= 2:
            length, head = data[at + 1], 2
            if length == 126:
                head = 4
                length = int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                head = 10
                length = int.from_bytes(data[at + 2 : at + 10], "big")
            end = at + head + length
            if size - at < head or end > size:
                break
            self._read_frame(data[at] ^ 0x80, data[at + head : end])
            at = end
        return at

    def _read_frame(self, opcode: int, message: bytes) -> None:
        if opcode == wire.BINARY:
            self._read_message(message)
        elif opcode == wire.PING:
            self.pings.append(message)
        elif opcode == wire.CLOSE:
            self.is_closed = True
        elif opcode != wire.PONG:
            raise MeasurementFailed(f"the server sent a frame of kind {opcode:#x}")

    def _read_message(self, data: bytes) -> None:
        at = 0
        if self._is_named:
            length, at = read_varuint(data, 0)
            at += length
        while at < len(data):
            kind, at = read_varuint(data, at)
            if kind == wire.SYNC or (kind == wire.SYNC_REPLY and self._is_named):
                step, at = read_varuint(data, at)
                length, at = read_varuint(data, at)
                self._read_sync(step, data[at : at + length])
                at += length
            elif kind == wire.AWARENESS:
                length, at = read_varuint(data, at)
                at += length
            elif kind == wire.SYNC_STATUS and self._is_named:
                _, at = read_varuint(data, at)
            elif kind == wire.AUTH and self._is_named and data[at] == wire.AUTHENTICATED:
                return
            else:
                text = data[at : at + 200]
                raise MeasurementFailed(f"the server sent a message of kind {kind}: {text!r}")

    def _read_sync(self, step: int, body: bytes) -> None:
        if step == wire.STEP_1:
            self.is_asked = True
        elif step == wire.STEP_2 and not self._is_synced:
            self.step_2 = body
            self._is_synced = True
        else:
            self._read_update(body)

    def _read_update(self, data: bytes) -> None:
        """Note the writers' units in an update, format v1, that holds text."""
        sections, at = read_varuint(data, 0)
        for _ in range(sections):
            structs, at = read_varuint(data, at)
            client, at = read_varuint(data, at)
            clock, at = read_varuint(data, at)
            start = clock
            while structs:
                while structs and (match := _STRUCT.match(data, at)):
                    at, clock, structs = match.end(), clock + 1, structs - 1
                if structs:
                    length, is_skipped, at = _read_struct(data, at)
                    if is_skipped:
                        self._add_section(client, start, clock)
                        start = clock + length
                    clock, structs = clock + length, structs - 1
            self._add_section(client, start, clock)

    def _add_section(self, client: int, start: int, end: int) -> None:
        if end > start and 0 <= client - FIRST_WRITER < WRITERS_MAX:
            self._add(client - FIRST_WRITER, start, end)

    def _add(self, writer: int, start: int, end: int) -> None:
        """Note a writer's units; those that follow on the last are put together."""
        span = self._spans.get(writer)
        if span is None:
            self._spans[writer] = [start, end]
        elif span[1] == start:
            span[1] = end
        else:
            self.units.append((writer, span[0], span[1]))
            self._spans[writer] = [start, end]


def _short_varuint(raw: bytes) -> int:
    """A number of up to four bytes, which is nothing else; a loop would take twice as long."""
    if len(raw) == 1:
        return raw[0]
    number = raw[0] & 127 | (raw[1] & 127) << 7
    if len(raw) > 2:
        number |= (raw[2] & 127) << 14
    if len(raw) > 3:
        number |= raw[3] << 21
    return number


def _read_struct(data: bytes, at: int) -> tuple[int, bool, int]:
    """A struct's length in units, whether it only stands for missing ones, and where it ends."""
    info = data[at]
    at += 1
    kind = info & 31
    if kind in (_GC, _SKIP):
        length, at = read_varuint(data, at)
        return length, kind == _SKIP, at
    for flag in (0x80, 0x40):
        if info & flag:
            _, at = read_varuint(data, at)
            _, at = read_varuint(data, at)
    if not info & 0xC0:
        is_root, at = read_varuint(data, at)
        length, at = read_varuint(data, at)
        if is_root == 1:
            at += length
        else:
            _, at = read_varuint(data, at)
        if info & 0x20:
            length, at = read_varuint(data, at)
            at += length
    length, at = read_varuint(data, at)
    if kind == _STRING:
        return len(data[at : at + length].decode()), False, at + length
    if kind == _DELETED:
        return length, False, at
    raise MeasurementFailed(f"the server sent a struct of kind {kind}")
