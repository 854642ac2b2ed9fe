"""A long document on every server, with one client that stays in it."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import wire
from benchmarks.client import Document
from benchmarks.errors import MeasurementFailed
from benchmarks.load import Crowd
from benchmarks.suite import Sample
from benchmarks.trace import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.servers import Server
    from benchmarks.suite import Suite
    from benchmarks.trace import Trace

_SEED_S_MAX = 20.0
_RETRY_S = 0.05


@dataclass(frozen=True, slots=True)
class Seeded:
    """A server that has the document, and the crowd of the client that stays."""

    server: Server
    document: Document
    crowd: Crowd


@contextmanager
def seeded(
    suite: Suite, servers: Sequence[Server], trace: Trace
) -> Iterator[tuple[dict[Server, Seeded], list[Sample]]]:
    """Put the trace on every server; gives a sample for each that did not take it."""
    ready: dict[Server, Seeded] = {}
    failures: list[Sample] = []
    with ExitStack() as stack:
        for server in servers:
            crowd = stack.enter_context(Crowd())
            try:
                document = _seed(suite, server, crowd, trace)
            except MeasurementFailed as error:
                failures.append(Sample(server.kind.name, "", failure=str(error)))
            else:
                ready[server] = Seeded(server, document, crowd)
        yield ready, failures


def _seed(suite: Suite, server: Server, crowd: Crowd, trace: Trace) -> Document:
    """Returns when a newcomer gets the whole text.

    The client that brought it stays, for some servers drop a document that nobody has open.
    """
    document = Document(suite.document(), server, suite.keys, writers=1)
    crowd.gather([document], 1)
    document.clients[0].send(wire.change(document.to, trace.update))
    text, deadline = text_of(trace.update), time.monotonic() + _SEED_S_MAX
    while time.monotonic() < deadline:
        newcomer = crowd.join(document)
        crowd.sync([newcomer])
        crowd.leave(newcomer)
        if newcomer.step_2 is not None and text_of(newcomer.step_2) == text:
            return document
        time.sleep(_RETRY_S)
    raise MeasurementFailed("a newcomer did not get the whole document")
