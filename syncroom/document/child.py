"""Processes of the server's own: they inherit no secret, no socket, no lock of the data folder."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from syncroom.errors import Unavailable

if TYPE_CHECKING:
    from asyncio.subprocess import Process

_PACKAGES = Path(__file__).parents[2]


async def start(module: str, *arguments: str) -> Process:
    """Start a module, to be written to and read from; raises `Unavailable`."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join((str(_PACKAGES), *filter(None, sys.path))),
        "RUST_BACKTRACE": "0",
    }
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a panic may quote content
            env=environment,
            start_new_session=True,  # Ctrl-C is for the server
        )
    except OSError as error:
        raise Unavailable(f"no process can be started: {error}") from error
