"""
One run of the suite: which servers, how often, how long; and what each measurement gives.

Servers take turns within every round, in another order each time, so that a machine that slows
down slows all of them down.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from benchmarks.errors import MeasurementFailed
from benchmarks.keystrokes import Keystrokes
from benchmarks.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.process import Cores
    from benchmarks.servers import Kind


_Each = TypeVar("_Each")


@dataclass(frozen=True, slots=True)
class Metric:
    """Something that is measured."""

    key: str
    label: str
    digits: int = 0
    is_better_low: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A page of results: what is claimed to be good, and how that is measured."""

    name: str
    title: str
    explanation: str
    metrics: Sequence[Metric]
    """The first is the one that is compared and drawn."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one measurement of one server gave."""

    server: str
    case: str
    values: Mapping[str, float] = field(default_factory=dict)
    failure: str | None = None


class ClaimModule(Protocol):
    """What every claim's module has."""

    @property
    def CLAIM(self) -> Claim:
        """What it measures."""

    def measure(self, suite: Suite) -> Iterator[Sample]:
        """Take every sample."""


@dataclass
class Suite:
    """The settings of a run, and what its measurements share."""

    kinds: Sequence[Kind]
    cores: Cores
    cache: Path
    """Where peers are installed, and servers keep what they keep; it should be on a real disk."""
    is_quick: bool = False
    deadline: float = float("inf")
    """No round but the first of a claim begins after that (monotonic time)."""
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])
    """How busy the machine was with other things when the run began."""
    keys: Keystrokes = field(default_factory=Keystrokes)
    _runs: int = 0

    def unless_quick(self, full: float, quick: float) -> float:
        """How many seconds something goes on."""
        return quick if self.is_quick else full

    def document(self) -> str:
        """A name that no document had before."""
        self._runs += 1
        return f"document-{self._runs:05}"

    def rounds(self, most: int) -> Iterator[int]:
        """Numbers of rounds, as many as there is time for."""
        for number in range(1 if self.is_quick else most):
            if number == 0 or time.monotonic() < self.deadline:
                yield number

    @staticmethod
    def turns(servers: Sequence[_Each], number: int) -> list[_Each]:
        """Servers, or kinds of them, in the order of one round."""
        first = number % len(servers) if servers else 0
        return [*servers[first:], *servers[:first]]

    @contextlib.contextmanager
    def servers(
        self, kinds: Iterable[Kind] | None = None
    ) -> Iterator[tuple[list[Server], list[Sample]]]:
        """One running server of each kind, and a sample for each that did not start."""
        running: list[Server] = []
        failures: list[Sample] = []
        try:
            for kind in self.kinds if kinds is None else kinds:
                try:
                    running.append(Server(kind, self.cores, self.cache / "servers"))
                except MeasurementFailed as error:
                    failures.append(Sample(kind.name, "", failure=str(error)))
            yield running, failures
        finally:
            for server in running:
                server.stop()

    @staticmethod
    def sample(server: Server, case: str, measure: Callable[[], Mapping[str, float]]) -> Sample:
        """Measure, or say why that failed. A server that ended before is started again."""
        try:
            server.revive()
            server.settle()
            values = measure()
            server.check()
        except MeasurementFailed as error:
            return Sample(server.kind.name, case, failure=_explain(server, error))
        return Sample(server.kind.name, case, values)


def _explain(server: Server, error: MeasurementFailed) -> str:
    try:
        server.check()
    except MeasurementFailed as ended:
        return str(ended)
    return str(error)
