"""Fan-out: what one client types reaches all others in the document."""

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

CLIENTS = (2, 10, 50, 200)
WRITERS_MAX = 10
WINDOW = 16
ROUNDS = 3

CLAIM = Claim(
    name="fanout",
    title="Fan-out",
    explanation=(
        f"All clients have one document open, up to {WRITERS_MAX} of them type, each with "
        f"{WINDOW} keystrokes on their way to the others. A delivery is one keystroke at one other "
        "client."
    ),
    metrics=(
        Metric("per_core", "deliveries per second of server CPU"),
        Metric("per_s", "deliveries/s"),
        Metric("server_cpu", "server's core in use, %"),
        Metric("load_cpu", "load's core in use, %"),
    ),
)


def measure(suite: Suite) -> Iterator[Sample]:
    """Measure every size on every server, round by round."""
    with suite.servers() as (servers, failures):
        yield from failures
        for number in suite.rounds(ROUNDS):
            for clients in CLIENTS:
                for server in suite.turns(servers, number):
                    fan_out = partial(deliver, suite, server, clients)
                    yield suite.sample(server, f"{clients} clients", fan_out)


def deliver(suite: Suite, server: Server, clients: int) -> Mapping[str, float]:
    """Let as many clients type into a new document."""
    document = Document(suite.document(), server, suite.keys, min(clients, WRITERS_MAX))
    with Crowd() as crowd:
        crowd.gather([document], clients)
        server.settle()
        crowd.type_freely([document], WINDOW, suite.unless_quick(0.5, 0.3))
        begun, cpu, delivered = time.monotonic(), server.cpu_s(), document.delivered
        load_cpu = time.process_time()
        crowd.type_freely([document], WINDOW, suite.unless_quick(1.5, 0.8))
        seconds, cpu = time.monotonic() - begun, server.cpu_s() - cpu
        delivered, load_cpu = document.delivered - delivered, time.process_time() - load_cpu
        crowd.drain([document])
    suite.keys.forget(document.to)
    return {
        "per_core": delivered / max(cpu, 0.01),
        "per_s": delivered / seconds,
        "server_cpu": 100 * cpu / seconds,
        "load_cpu": 100 * load_cpu / seconds,
        "delivered": document.delivered,
    }
