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
from benchmarks.table import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.servers import Server

ROUNDS = 3
CASE = "a lone update"
_PAGE = bytes(4096)
_PAUSE_S = 0.01
_ANSWER_S_MAX = 5.0

CLAIM = Claim(
    name="durable",
    title="Time to durable",
    explanation=(
        "A client types one letter at a time and waits until the server returns it, which syncroom "
        "does when the update is on disk (SQLite, synced). In turns with that, 4 KB of a file on "
        "the same disk are written over and synced with `fdatasync`: the least that the machine "
        "itself needs. "
        "The other servers, as they are run here, keep nothing on disk and have no such moment."
    ),
    metrics=(
        Metric("p50_us", "p50, µs", is_better_low=True),
        Metric("p99_us", "p99, µs", is_better_low=True),
    ),
)


def measure(suite: Suite) -> Iterator[Sample]:
    """Measure syncroom and the disk, round by round."""
    ours = [kind for kind in suite.kinds if kind.name == OURS]
    with suite.servers(ours) as (servers, failures):
        yield from failures
        for _ in suite.rounds(ROUNDS):
            for server in servers:
                synced_us: list[float] = []
                count = int(suite.unless_quick(150, 80))
                one_by_one = partial(save_one_by_one, suite, server, count, synced_us)
                yield suite.sample(server, CASE, one_by_one)
                if len(synced_us) == count:
                    yield Sample("fdatasync alone", CASE, _percentiles(synced_us))


def save_one_by_one(
    suite: Suite, server: Server, count: int, synced_us: list[float]
) -> Mapping[str, float]:
    """Wait for each of so many keystrokes to be durable; in turns, time the disk alone."""
    document = Document(suite.document(), server, suite.keys, 1)
    returned_ns: list[int] = []
    document.on_units = lambda reader, writer, start, end, arrived_ns: returned_ns.append(
        arrived_ns
    )
    took_us = []
    with Crowd() as crowd, (server.folder / "fdatasync").open("wb", buffering=0) as file:
        file.write(_PAGE * count)
        os.fsync(
            file.fileno()
        )  # so that no file grows later, which would be one more thing to sync
        crowd.gather([document], 1, is_timed=True)
        for number in range(count):
            time.sleep(_PAUSE_S)
            began_ns = time.time_ns()
            document.type(0)
            _wait(crowd, returned_ns, number + 1)
            took_us.append((returned_ns[-1] - began_ns) / 1000)
            time.sleep(_PAUSE_S)
            synced_us.append(_fdatasync_us(file.fileno(), number))
    return {**_percentiles(took_us), "returned": len(returned_ns)}


def _percentiles(took_us: list[float]) -> Mapping[str, float]:
    parts = statistics.quantiles(took_us, n=100)
    return {"p50_us": parts[49], "p99_us": parts[98]}


def _wait(crowd: Crowd, returned_ns: list[int], count: int) -> None:
    deadline = time.monotonic() + _ANSWER_S_MAX
    while len(returned_ns) < count:
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"update {count} was not returned to its writer")
        crowd.poll(_ANSWER_S_MAX)


def _fdatasync_us(file: int, page: int) -> float:
    began_ns = time.perf_counter_ns()
    os.pwrite(file, _PAGE, page * len(_PAGE))
    os.fdatasync(file)
    return (time.perf_counter_ns() - began_ns) / 1000
