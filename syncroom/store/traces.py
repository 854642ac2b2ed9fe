"""
What is kept for ever of records: when, by whom, and which units were written and deleted.

A trace takes some ten bytes before it is compressed: times are differences, participants and
clients are numbers into two tables that stand before them.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from syncroom.errors import Malformed
from syncroom.protocol import varint
from syncroom.store.base import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncroom.protocol.update import Range


def encode_traces(traces: Sequence[Trace]) -> bytes:
    """The bytes of some traces."""
    names: dict[str, int] = {}
    clients: dict[int, int] = {}
    out: list[bytes] = []
    before = 0
    for trace in traces:
        change = trace.time_ms - before
        before = trace.time_ms
        # Clocks are set back at times: the sign goes into the lowest bit.
        out.append(varint.encode(2 * change if change >= 0 else -2 * change - 1))
        out.append(varint.encode(names.setdefault(trace.participant, len(names))))
        for ranges in (trace.written, trace.deleted):
            out.append(varint.encode(len(ranges)))
            for client, first, end in ranges:
                numbers = clients.setdefault(client, len(clients)), first, end - first
                out += map(varint.encode, numbers)
    tables = [varint.encode(len(names)), *map(varint.encode_text, names)]
    tables += [varint.encode(len(clients)), *map(varint.encode, clients)]
    return zlib.compress(b"".join([*tables, varint.encode(len(traces)), *out]))


def decode_traces(data: bytes) -> list[Trace]:
    """The traces in some bytes; raises `Malformed`."""
    try:
        return _Reader(zlib.decompress(data)).traces()
    except (zlib.error, LookupError) as error:
        raise Malformed(f"these are no traces: {error}") from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._names: list[str] = []
        self._clients: list[int] = []

    def traces(self) -> list[Trace]:
        self._names = [self._text() for _ in range(self._number())]
        self._clients = [self._number() for _ in range(self._number())]
        traces = []
        time_ms = 0
        for _ in range(self._number()):
            change = self._number()
            time_ms += -(change + 1 >> 1) if change & 1 else change >> 1
            name = self._names[self._number()]
            traces.append(Trace(time_ms, name, self._ranges(), self._ranges()))
        return traces

    def _ranges(self) -> tuple[Range, ...]:
        return tuple([self._range() for _ in range(self._number())])

    def _range(self) -> Range:
        client, first = self._clients[self._number()], self._number()
        return client, first, first + self._number()

    def _number(self) -> int:
        number, self._at = varint.decode(self._data, self._at)
        return number

    def _text(self) -> str:
        text, self._at = varint.decode_text(self._data, self._at)
        return text
