"""Latency: how soon the others see a keystroke while nobody is in a hurry."""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.client import Document
from benchmarks.load import Crowd
from benchmarks.suite import Claim, Metric, Sample, Suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.servers import Server

CLIENTS = 10
UPDATES_PER_S = 200
ROUNDS = 5

CLAIM = Claim(
    name="latency",
    title="Latency",
    explanation=(
        f"{CLIENTS} clients take turns at typing, {UPDATES_PER_S} keystrokes a second in all. The "
        "time counts from just before a client writes to its socket to the kernel's note of the "
        "arrival at each other client's."
    ),
    metrics=(
        Metric("p50_us", "p50, µs", is_better_low=True),
        Metric("p99_us", "p99, µs", is_better_low=True),
        Metric("max_us", "slowest, µs", is_better_low=True),
    ),
)


def measure(suite: Suite) -> Iterator[Sample]:
    """Measure every server, round by round."""
    with suite.servers() as (servers, failures):
        yield from failures
        for number in suite.rounds(ROUNDS):
            for server in suite.turns(servers, number):
                case = f"{CLIENTS} clients, {UPDATES_PER_S}/s"
                yield suite.sample(server, case, partial(_type, suite, server))


def _type(suite: Suite, server: Server) -> Mapping[str, float]:
    document = Document(suite.document(), server, suite.keys, CLIENTS)
    with Crowd() as crowd:
        crowd.gather([document], CLIENTS, is_timed=True)
        server.settle()
        took_ns = crowd.type_evenly(document, UPDATES_PER_S, suite.unless_quick(3, 2))
    parts = statistics.quantiles(took_ns, n=100)
    return {
        "p50_us": parts[49] / 1000,
        "p99_us": parts[98] / 1000,
        "max_us": max(took_ns) / 1000,
        "delivered": len(took_ns),
    }
