"""Many documents: a thousand are open at once, with two clients each."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.client import Document
from benchmarks.load import Crowd
from benchmarks.suite import Claim, Metric, Sample, Suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.servers import Server

DOCUMENTS = 1000
CLIENTS = 2
ROUNDS = 3

CLAIM = Claim(
    name="documents",
    title=f"{DOCUMENTS:,} documents",
    explanation=(
        f"{DOCUMENTS:,} documents are open, with {CLIENTS} clients each. Memory is what the server "
        "grew by, for each document, once all are connected and before anybody types. Then one "
        "client of each document types, its next keystroke when the last one has arrived."
    ),
    metrics=(
        Metric("per_core", "deliveries per second of server CPU"),
        Metric("kilobytes", "memory per idle document, KB", digits=1, is_better_low=True),
        Metric("connect_s", "connecting all, s", digits=1, is_better_low=True),
    ),
)


def measure(suite: Suite) -> Iterator[Sample]:
    """Measure every server, round by round, each time a fresh one: memory is not given back."""
    for number in suite.rounds(ROUNDS):
        for kind in suite.turns(suite.kinds, number):
            with suite.servers([kind]) as (servers, failures):
                yield from failures
                for server in servers:
                    case = f"{DOCUMENTS:,} documents, {CLIENTS} clients each"
                    yield suite.sample(server, case, partial(_open_and_type, suite, server))


def _open_and_type(suite: Suite, server: Server) -> Mapping[str, float]:
    documents = [Document(suite.document(), server, suite.keys, 1) for _ in range(DOCUMENTS)]
    with Crowd() as crowd:
        memory, begun = server.memory_bytes(), time.monotonic()
        crowd.gather(documents, CLIENTS)
        connect_s = time.monotonic() - begun
        server.settle()
        memory = server.memory_bytes() - memory
        crowd.type_freely(documents, 1, suite.unless_quick(0.5, 0.3))
        cpu, delivered = server.cpu_s(), _delivered(documents)
        crowd.type_freely(documents, 1, suite.unless_quick(2, 1))
        cpu, delivered = server.cpu_s() - cpu, _delivered(documents) - delivered
        crowd.drain(documents)
    for document in documents:
        suite.keys.forget(document.to)
    return {
        "per_core": delivered / max(cpu, 0.01),
        "kilobytes": memory / DOCUMENTS / 1000,
        "connect_s": connect_s,
        "delivered": _delivered(documents),
    }


def _delivered(documents: list[Document]) -> int:
    return sum(document.delivered for document in documents)
