"""
State vectors: how many units of each client's history somebody holds.

Source of the format: Yjs, ``src/utils/encoding.js`` (``writeStateVector``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol import varint

CLOCK_MAX = 2**31 - 1
"""Native implementations count units in 32 bits, signed in places."""

_ENTRY_BYTES_MAX = 16
"""A client and a clock, each in as many bytes as a number may have."""

StateVector = Mapping[int, int]


def encode(vector: StateVector) -> bytes:
    """The bytes of a state vector, clients in descending order as Yjs writes them."""
    parts = [varint.encode(len(vector))]
    for client in sorted(vector, reverse=True):
        parts += (varint.encode(client), varint.encode(vector[client]))
    return b"".join(parts)


def decode(data: bytes, clients_max: float = math.inf) -> dict[int, int]:
    """The state vector that some bytes hold; raises `Malformed`, `LimitExceeded`.

    The announced count is compared with the bytes that are there before anything is made of it.
    """
    count, at = varint.decode(data, 0)
    if count > (len(data) - at) // 2:
        raise Malformed(f"a state vector announces {count} clients in {len(data)} bytes")
    if count > clients_max:
        raise LimitExceeded(f"a state vector names {count} clients, {clients_max} are allowed")
    if len(data) - at > count * _ENTRY_BYTES_MAX:
        raise Malformed(f"{len(data) - at} bytes hold {count} clients in a state vector")
    numbers = varint.decode_all(data[at:])
    if len(numbers) != 2 * count:
        raise Malformed(f"a state vector of {count} clients holds {len(numbers)} numbers")
    clocks = numbers[1::2]
    vector = dict(zip(numbers[::2], clocks, strict=True))
    if len(vector) < count:
        raise Malformed("a state vector names a client twice")
    if (largest := max(clocks, default=0)) > CLOCK_MAX:
        raise Malformed(f"a state vector holds clock {largest}, above {CLOCK_MAX}")
    return vector
