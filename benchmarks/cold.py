"""Cold load: a newcomer opens a long document that others have open."""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementFailed
from benchmarks.seed import Seeded, seeded
from benchmarks.suite import Claim, Metric, Sample, Suite
from benchmarks.trace import EDITS, load_trace, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROUNDS = 5
LOADS = 4

CLAIM = Claim(
    name="cold",
    title="Opening a long document",
    explanation=(
        f"A client without anything opens a document of {EDITS:,} edits. The time counts from its "
        "connecting until it has the whole document. syncroom keeps an answer until the next edit, "
        "so both cases are shown: nothing has changed since somebody else opened it, and somebody "
        "typed a letter just before."
    ),
    metrics=(Metric("ms", "until synced, ms", digits=1, is_better_low=True),),
)


def measure(suite: Suite) -> Iterator[Sample]:
    """Measure every server, round by round."""
    trace = load_trace(suite.cache)
    characters = len(text_of(trace.update))
    with (
        suite.servers() as (servers, failures),
        seeded(suite, servers, trace) as (ready, refusals),
    ):
        yield from [*failures, *refusals]
        for number in suite.rounds(ROUNDS):
            for case, is_edited in (("unchanged", False), ("just edited", True)):
                for server in suite.turns(list(ready), number):
                    load = partial(_load, ready[server], characters, is_edited)
                    yield suite.sample(server, case, load)


def _load(here: Seeded, characters: int, is_edited: bool) -> Mapping[str, float]:
    took_ms = []
    for _ in range(LOADS):
        if is_edited:
            here.document.type(0)
        newcomer = here.crowd.join(here.document)
        here.crowd.sync([newcomer])
        here.crowd.leave(newcomer)
        took_ms.append((newcomer.synced_at - newcomer.started_at) * 1000)
        got, wanted = len(text_of(newcomer.step_2 or b"")), characters + here.document.sent[0]
        if got != wanted:
            raise MeasurementFailed(f"a newcomer got {got} of {wanted} characters")
    return {"ms": statistics.median(took_ms)}
