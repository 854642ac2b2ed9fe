"""
Awareness: who is present, and what each says of itself.

Source of the format: y-protocols, ``awareness.js``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol import varint
from syncroom.protocol.value import check_json

if TYPE_CHECKING:
    from collections.abc import Iterable

GONE = "null"

ENTRIES_MAX = 10_000
"""States in one update: clients repeat what they hear, of everybody in a document."""

EMPTY = b"\0"
"""An awareness update about nobody: it keeps a connection alive."""


class Entry(NamedTuple):
    """What is said of one client id."""

    client: int
    clock: int
    state: str
    """A JSON text; `GONE` for a client that left."""


def decode(data: bytes) -> list[Entry]:
    """The entries of an awareness update, their states not looked at yet.

    Raises `Malformed`, `LimitExceeded`.
    """
    count, at = varint.decode(data, 0)
    if count > (len(data) - at) // 3:
        raise Malformed(f"an awareness update announces {count} states in {len(data)} bytes")
    if count > ENTRIES_MAX:
        raise LimitExceeded(f"an awareness update holds {count} states, above {ENTRIES_MAX}")
    entries: dict[int, Entry] = {}
    for _ in range(count):
        client, at = varint.decode(data, at)
        clock, at = varint.decode(data, at)
        state, at = varint.decode_text(data, at)
        entries[client] = Entry(client, clock, state)
    if at != len(data):
        raise Malformed(f"{len(data) - at} bytes follow an awareness update")
    if len(entries) != count:
        raise Malformed("an awareness update names a client twice")
    return list(entries.values())


def encode(entries: Iterable[Entry]) -> bytes:
    """The bytes of an awareness update."""
    parts = [
        varint.encode(client) + varint.encode(clock) + varint.encode_text(state)
        for client, clock, state in entries
    ]
    return varint.encode(len(parts)) + b"".join(parts)


def read_state(text: str, depth_max: int) -> dict[str, object] | None:
    """The state in a JSON text, or None for a client that left; raises `Malformed`."""
    state = check_json(text, depth_max)
    if state is None or isinstance(state, dict):
        return state
    raise Malformed(f"a presence state is a JSON {type(state).__name__}, not an object")


def write_state(state: dict[str, object]) -> str:
    """The JSON text of a state, as short as it gets."""
    return json.dumps(state, ensure_ascii=False, separators=(",", ":"))
