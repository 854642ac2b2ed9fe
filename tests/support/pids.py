"""Processes that are not the tests' own children, watched until they end."""

from __future__ import annotations

import os
import select
from pathlib import Path

END_S_MAX = 60.0


class Watched:
    """A process that runs; its number can't become another's while it is watched."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def wait(self) -> None:
        """Wait until it has ended."""
        try:
            ended, _, _ = select.select([self._descriptor], [], [], END_S_MAX)
        finally:
            os.close(self._descriptor)
        assert ended, f"process {self.pid} still runs"

    @property
    def parent(self) -> int:
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])
