from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.process import cpu_s, family, memory_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the suite reads /proc")

ROUNDING = 1e-6
WORK = "sum(range(5_000_000))"


def test_what_children_used_counts_while_they_live_and_after_they_ended() -> None:
    before = cpu_s(os.getpid())
    program = f"{WORK}; print('done', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert family(os.getpid()).count(child.pid) == 1
        used_by_child = cpu_s(child.pid)
        while_it_lives = cpu_s(os.getpid())
        child.communicate(b"\n")
    afterwards = cpu_s(os.getpid())

    assert used_by_child > 0
    assert while_it_lives >= before + used_by_child - ROUNDING
    assert afterwards >= while_it_lives - ROUNDING


def test_a_process_holds_memory() -> None:
    assert memory_bytes(os.getpid()) > 1 << 20
