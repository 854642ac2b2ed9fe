"""
Runs one command, and ends it with all that it started when the other end of its input is closed.

The server holds that end, so no service outlives it, however it ends. Run as a program of its own:
the seconds that the command gets to end by itself, and then the command.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading

NOT_STARTED = 127
"""The exit code where the command can't be run, as in shells."""


def main(stop_s: float, command: list[str]) -> int:
    """Return the exit code of the command, 128 and the number of the signal that ended it."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"can't run {command[0]!r}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return NOT_STARTED
    ended, ending = os.pipe()

    def wait() -> None:
        child.wait()
        os.close(ending)

    signal.signal(signal.SIGTERM, lambda *_: _signal(child.pid, signal.SIGTERM))
    threading.Thread(target=wait, daemon=True).start()
    readable, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
    if ended not in readable:
        _signal(child.pid, signal.SIGTERM)
        select.select([ended], [], [], stop_s)
    _signal(child.pid, signal.SIGKILL)  # it may have left others behind
    code = child.wait()
    return code if code >= 0 else 128 - code


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
