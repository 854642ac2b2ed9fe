"""Time to durable: how soon a writer knows that a lone update is on disk."""

from __future__ import annotations

import os
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.client import Document
from benchmarks.errors import MeasurementFailed
from benchmarks.load import Crowd
from benchmarks.suite import Claim, Metric, Sample, Suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.servers import Server

ROUNDS = 3
_PAGE = bytes(4096)
_PAUSE_S = 0.01
_ANSWER_S_MAX = 5.0

CLAIM = Claim(
    name="durable",
    title="Time to durable",
    explanation=(
        "A client types one letter at a time and waits until the server returns it, which syncroom "
        "does when the update is on disk (SQLite, synced). In turns with that, 4 KB are appended "
        "to a file on the same disk and synced with `fdatasync`: what the machine itself needs. "
        "The other servers, as they are run here, keep nothing on disk and have no such moment."
    ),
    metrics=(
        Metric("times", "of one fdatasync", digits=2, is_better_low=True),
        Metric("durable_us", "durable, p50, µs", is_better_low=True),
        Metric("durable_p99_us", "durable, p99, µs", is_better_low=True),
        Metric("fdatasync_us", "fdatasync, p50, µs", is_better_low=True),
    ),
)


def measure(suite: Suite) -> Iterator[Sample]:
    """Measure syncroom, round by round."""
    with suite.servers([kind for kind in suite.kinds if kind.name == "syncroom"]) as (
        servers,
        failures,
    ):
        yield from failures
        for _ in suite.rounds(ROUNDS):
            for server in servers:
                count = int(suite.unless_quick(150, 80))
                one_by_one = partial(save_one_by_one, suite, server, count)
                yield suite.sample(server, "a lone update", one_by_one)


def save_one_by_one(suite: Suite, server: Server, count: int) -> Mapping[str, float]:
    """Wait for each of so many keystrokes to be durable."""
    document = Document(suite.document(), server, suite.keys, 1)
    returned_ns: list[int] = []
    document.on_units = lambda reader, writer, start, end, arrived_ns: returned_ns.append(
        arrived_ns
    )
    took_us, synced_us = [], []
    with Crowd() as crowd, (server.folder / "fdatasync").open("wb", buffering=0) as file:
        crowd.gather([document], 1, is_timed=True)
        for number in range(count):
            time.sleep(_PAUSE_S)
            began_ns = time.time_ns()
            document.type(0)
            _wait(crowd, returned_ns, number + 1)
            took_us.append((returned_ns[-1] - began_ns) / 1000)
            time.sleep(_PAUSE_S)
            synced_us.append(_fdatasync_us(file.fileno()))
    durable_us, fdatasync_us = statistics.median(took_us), statistics.median(synced_us)
    return {
        "times": durable_us / fdatasync_us,
        "durable_us": durable_us,
        "durable_p99_us": statistics.quantiles(took_us, n=100)[98],
        "fdatasync_us": fdatasync_us,
        "returned": len(returned_ns),
    }


def _wait(crowd: Crowd, returned_ns: list[int], count: int) -> None:
    deadline = time.monotonic() + _ANSWER_S_MAX
    while len(returned_ns) < count:
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"update {count} was not returned to its writer")
        crowd.poll(_ANSWER_S_MAX)


def _fdatasync_us(file: int) -> float:
    began_ns = time.perf_counter_ns()
    os.write(file, _PAGE)
    os.fdatasync(file)
    return (time.perf_counter_ns() - began_ns) / 1000
