"""
What a server counts while it runs.

Plain numbers, changed on the event loop and read there when somebody asks for them. The path of an
update pays once for each turn of a document, never for each update: what many share is multiplied
instead of counted.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TURN_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_DURABLE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
_LOAD_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LOOP_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Part(Enum):
    """What of a client's traffic was refused."""

    FRAME = "frame"
    UPDATE = "update"
    VECTOR = "vector"
    PRESENCE = "presence"


class Fault(Enum):
    """Why it was refused."""

    MALFORMED = "malformed"
    LIMIT = "limit"
    FULL = "full"
    """The document would be larger than is allowed."""
    READ_ONLY = "read_only"
    FOREIGN_ID = "foreign_id"
    """It speaks for the client id of another participant who is here."""
    UNAVAILABLE = "unavailable"
    """The disk fails."""


_REFUSALS = [
    *product(Part, (Fault.MALFORMED, Fault.LIMIT)),
    *product((Part.UPDATE,), (Fault.FULL, Fault.READ_ONLY, Fault.FOREIGN_ID, Fault.UNAVAILABLE)),
]


class Histogram:
    """How often a duration in seconds fell into which range."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """For each bound, what is up to it and above the one before; the last has no bound."""
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


class Metrics:
    """The numbers of one server."""

    def __init__(self) -> None:
        self.updates_in = 0
        """Updates that changed something."""
        self.updates_out = 0
        """The same, once for each other reader of the document."""
        self.bytes_in = 0
        """What connections that have ended had received."""
        self.bytes_out = 0
        """Frames about documents."""
        self.bytes_spared = 0
        """Of those, what lagging readers were not sent: one diff took its place."""
        self.gaps = 0
        """Updates that built on something missing."""
        self.rests = 0
        """How often messages had to wait, for what their participant sent before took long."""
        self.lags = 0
        """How often a reader began to lag."""
        self.refused_connections: dict[int, int] = {}
        """By close code."""
        self.llm_requests: dict[tuple[str, str], int] = {}
        """Requests for language models, by provider and class of status."""
        self.llm_tokens: dict[tuple[str, str], int] = {}
        """What providers said that these took, by provider and ``input`` or ``output``."""
        self.refused = dict.fromkeys(_REFUSALS, 0)
        """Messages, by what of them was refused, and why."""
        self.fan_out = Histogram(_TURN_S)
        """From the first update of a turn to the last write."""
        self.durable = Histogram(_DURABLE_S)
        """From the first update of a turn to its last record on disk."""
        self.load = Histogram(_LOAD_S)
        self.loop_lag = Histogram(_LOOP_S)
        """How much later than asked the event loop woke a timer."""

    def refuse_connection(self, code: int) -> None:
        """Count a connection that was told why, and closed."""
        self.refused_connections[code] = self.refused_connections.get(code, 0) + 1
