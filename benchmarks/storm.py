"""A storm of reconnects: everybody comes back at once to a long document."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementFailed
from benchmarks.seed import Seeded, seeded
from benchmarks.suite import Claim, Metric, Sample, Suite
from benchmarks.trace import EDITS, STALE_EDITS, load_trace, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.client import Client
    from benchmarks.trace import Trace

CLIENTS = 500
ROUNDS = 4
_DIALLED_AT_ONCE = 16

CLAIM = Claim(
    name="storm",
    title=f"{CLIENTS} reconnects at once",
    explanation=(
        f"{CLIENTS} clients connect at once to a document of {EDITS:,} edits, of which each has "
        f"missed the last {STALE_EDITS:,}, with the tokens that they had before. The time counts "
        "from the first connecting until the last one is up to date."
    ),
    metrics=(
        Metric("all_ms", "until all are synced, ms", is_better_low=True),
        Metric("half_ms", "until half are synced, ms", is_better_low=True),
        Metric("cpu_ms", "server CPU, ms", is_better_low=True),
    ),
)


def measure(suite: Suite) -> Iterator[Sample]:
    """Measure every server, round by round."""
    trace = load_trace(suite.cache)
    with (
        suite.servers() as (servers, failures),
        seeded(suite, servers, trace) as (ready, refusals),
    ):
        yield from [*failures, *refusals]
        for number in suite.rounds(ROUNDS):
            for server in suite.turns(list(ready), number):
                storm = partial(_storm, ready[server], trace)
                yield suite.sample(server, f"{CLIENTS} clients", storm)


def _storm(here: Seeded, trace: Trace) -> Mapping[str, float]:
    clients: list[Client] = []
    for who in range(CLIENTS):
        here.server.kind.path(here.document.name, who)  # tokens are made before the storm
    cpu, begun = here.server.cpu_s(), time.monotonic()
    try:
        for who in range(CLIENTS):
            clients.append(here.crowd.join(here.document, trace.stale_vector, who=who))
            if who % _DIALLED_AT_ONCE == 0:
                here.crowd.poll(0)
        here.crowd.sync(clients)
        cpu = here.server.cpu_s() - cpu
    finally:
        for client in clients:
            here.crowd.leave(client)
    answers = {client.step_2 or b"" for client in clients}
    text = text_of(trace.update)
    if any(text_of(trace.stale_update, answer) != text for answer in answers):
        raise MeasurementFailed("a client that came back did not get what it had missed")
    took_ms = sorted((client.synced_at - begun) * 1000 for client in clients)
    return {
        "all_ms": took_ms[-1],
        "half_ms": statistics.median(took_ms),
        "cpu_ms": cpu * 1000,
    }
