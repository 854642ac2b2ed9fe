"""The MeshAgent command line, as its users run it."""

from __future__ import annotations

import asyncio
import json
import os
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.meshagent.sdk import CLI, need_python

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.server import Server

PROJECT = "fc1e793c-b556-496b-bf07-8182b844e058"
_JSON = re.compile(r"^[\[{]", re.MULTILINE)


class CommandLine:
    """``meshagent`` with an environment that points it to a server and nowhere else."""

    def __init__(self, server: Server, home: Path, **environment: str) -> None:
        need_python()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MESHAGENT_", "PYTHON"))}
        self._environment = kept | {
            "HOME": str(home),
            "COLUMNS": "1000",
            "PYTHONUNBUFFERED": "1",
            "MESHAGENT_API_URL": server.url,
            "MESHAGENT_PROJECT_ID": PROJECT,
            **environment,
        }

    async def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints; it has to end with this code."""
        process = await self._start(arguments)
        printed, _ = await process.communicate()
        assert process.returncode == code, printed.decode()
        return printed.decode()

    @asynccontextmanager
    async def printing(self, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
        """What a command prints that does not end by itself."""
        process = await self._start(arguments)
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()
            await process.communicate()

    async def _start(self, arguments: tuple[str, ...]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            CLI,
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def json(self, *arguments: str) -> Any:
        """The JSON that a command prints among other things."""
        printed = await self.run(*arguments)
        found = _JSON.search(printed)
        assert found is not None, printed
        value, _ = json.JSONDecoder().raw_decode(printed, found.start())
        return value
