"""
Runs the MeshAgent command line many times, which is imported once: each command is a process of its
own, forked from this one. Reads where to listen from its arguments; runs with the SDK's Python.

A request is JSON with ``arguments`` and ``environment``, and with it comes the descriptor that the
command prints to. What is sent back is its process, and at the end its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS = "agent containers developer messaging queue room room_services rooms storage sync".split()


def main() -> None:
    from meshagent.cli.cli import app  # type: ignore[import-not-found, unused-ignore]

    for name in GROUPS:
        importlib.import_module(f"meshagent.cli.{name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                serve(connection, app)
            connection.close()


def serve(connection: socket.socket, app: Callable[[], int]) -> None:
    """Be the process of one command."""
    request, [output], _, _ = socket.recv_fds(connection, 1 << 20, 1)
    given = json.loads(request)
    connection.sendall(f"{os.getpid()}\n".encode())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(given["environment"])
    sys.argv = ["meshagent", *given["arguments"]]
    code = 1
    try:
        sys.exit(app())
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(f"{code}\n".encode())
        os._exit(code)


if __name__ == "__main__":
    main()
