"""
``syncroom`` in a process that starts at once, for tests that start hundreds: forked from one that
waits with all modules loaded, where a new one would spend a second of CPU on loading them again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING

from syncroom.cli import main

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_MODULES = ["syncroom.cli.serve", "tests.support.forked"]


class ForkedProcess:
    """One such process, with what `subprocess.Popen` has of it."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_MODULES)
        out, stdout = context.Pipe(duplex=False)
        err, stderr = context.Pipe(duplex=False)
        work = arguments, environment, stdout, stderr
        self._process = context.Process(target=_run, args=work, daemon=True)
        self._process.start()
        stdout.close()
        stderr.close()
        self.stdout = open(os.dup(out.fileno()))
        self.stderr = open(os.dup(err.fileno()))
        out.close()
        err.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        assert code is not None, f"process {self.pid} did not end in {timeout} s"
        return code


def _run(
    arguments: list[str], environment: dict[str, str], stdout: Connection, stderr: Connection
) -> None:
    os.dup2(stdout.fileno(), 1)
    os.dup2(stderr.fileno(), 2)
    stdout.close()
    stderr.close()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["syncroom", *arguments]
    main()
