"""What a process and its children take of the machine, read from ``/proc``, and where they run."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the server and the load clients run on; the same where there is only one."""

    server: frozenset[int]
    load: frozenset[int]

    @staticmethod
    def of_this_machine() -> Cores:
        cores = sorted(os.sched_getaffinity(0))
        return Cores(frozenset(cores[:1]), frozenset(cores[1:2] or cores[:1]))

    @property
    def are_apart(self) -> bool:
        return self.server.isdisjoint(self.load)


@contextlib.contextmanager
def running_on(cores: frozenset[int]) -> Iterator[None]:
    """Run on these cores for a while; processes started meanwhile stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    pids = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                pids += family(int(child))
    return pids


def cpu_s(pid: int) -> float:
    """Processor time that a process and its children, also those that ended, used; to 10 ms."""
    ticks = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # user and system, its own and ended children's
    return ticks / _TICKS_PER_S


def memory_bytes(pid: int) -> int:
    """Memory that a process and its children hold (resident)."""
    pages = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * _PAGE_BYTES
