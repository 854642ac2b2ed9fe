"""The MeshAgent command line, as its users run it."""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import re
import signal
import socket
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.meshagent.sdk import PYTHON, ROOT, need_python

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.server import Server

PROJECT = "fc1e793c-b556-496b-bf07-8182b844e058"
_JSON = re.compile(r"^[\[{]", re.MULTILINE)


class CommandLine:
    """``meshagent`` with an environment that points it to a server and nowhere else."""

    def __init__(self, server: Server, home: Path, **environment: str) -> None:
        self._environment = _inherited() | {
            "HOME": str(home),
            "COLUMNS": "1000",
            "MESHAGENT_API_URL": server.url,
            "MESHAGENT_PROJECT_ID": PROJECT,
            **environment,
        }

    async def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints; it has to end with this code."""
        async with self._running(arguments) as (answer, output):
            printed = (await output.read()).decode()
            assert answer.readline() == f"{code}\n", printed
        return printed

    @asynccontextmanager
    async def printing(self, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
        """What a command prints that does not end by itself."""
        async with self._running(arguments) as (_, output):
            yield output

    @asynccontextmanager
    async def _running(
        self, arguments: tuple[str, ...]
    ) -> AsyncIterator[tuple[Any, asyncio.StreamReader]]:
        """A command that runs, until the block ends: what is told of it, what it prints."""
        request = {"arguments": arguments, "environment": self._environment}
        ours, theirs = os.pipe()
        output = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        pipe, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), os.fdopen(ours, "rb")
        )
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile() as answer:
            connection.connect(_host())
            socket.send_fds(connection, [json.dumps(request).encode()], [theirs])
            os.close(theirs)
            process = int(await asyncio.to_thread(answer.readline))
            try:
                yield answer, output
            finally:
                pipe.close()
                if not output.at_eof():
                    os.kill(process, signal.SIGKILL)

    async def json(self, *arguments: str) -> Any:
        """The JSON that a command prints among other things."""
        printed = await self.run(*arguments)
        found = _JSON.search(printed)
        assert found is not None, printed
        value, _ = json.JSONDecoder().raw_decode(printed, found.start())
        return value


@functools.cache
def _host() -> bytes:
    """Where commands are run, in processes forked from one that has imported them."""
    need_python()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(b"")  # a name that the system makes
        listener.listen()
        descriptor = listener.fileno()
        program = [str(PYTHON), "-u", "-W", "ignore", "-m", "tests.meshagent.cli_host"]
        host = subprocess.Popen(
            [*program, str(descriptor)],
            cwd=ROOT,
            env=_inherited() | {"COLUMNS": "1000"},
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
        )
        address: bytes = listener.getsockname()
    atexit.register(host.wait)
    atexit.register(host.kill)
    return address


def _inherited() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("MESHAGENT_", "PYTHON"))}
