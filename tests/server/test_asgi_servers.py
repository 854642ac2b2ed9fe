"""The same application under the ASGI servers that people run, as a process that gets SIGTERM."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.server.mounted import SECRET, Mounted, token
from tests.support.editor import Editor, provider
from tests.support.raw import WAIT_S_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.node import NodeDriver

PROGRAM = f"""\
from contextlib import asynccontextmanager
from fastapi import FastAPI
from syncroom import Limits, asgi_app

collab = asgi_app("data", secret={SECRET!r}, limits=Limits(refusal_s=0.01))

@asynccontextmanager
async def lifespan(app):
    async with collab:
        yield

app = FastAPI(lifespan=lifespan)
app.mount("/collab", collab)
"""
SERVERS = {
    "uvicorn": ["uvicorn", "--port", "0"],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:0"],
}
RUNNING = re.compile(rb"unning on http://127\.0\.0\.1:(\d+)")


@asynccontextmanager
async def process(folder: Path, arguments: list[str]) -> AsyncIterator[Mounted]:
    """A server, and at the end SIGTERM to it, after which it has to end well."""
    (folder / "program.py").write_text(PROGRAM)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments, "program:app"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert child.stdout is not None
    printed, port = b"", None
    async with asyncio.timeout(WAIT_S_MAX):
        while port is None:
            line = await child.stdout.readline()
            assert line, printed.decode()
            printed += line
            port = RUNNING.search(line)
    rest = asyncio.create_task(child.stdout.read())
    try:
        yield Mounted(int(port[1]))
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S_MAX):
            await child.wait()
        printed += await rest
        assert b"/syncroom/server/" not in printed, printed.decode()  # in no trace
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        await rest


@pytest.mark.parametrize("server", SERVERS)
async def test_clients_meet_and_nothing_that_was_acknowledged_is_lost_by_sigterm(
    tmp_path: Path, node: NodeDriver, server: str
) -> None:
    ann = Editor()
    async with process(tmp_path, SERVERS[server]) as mounted:
        base = f"{mounted.ws_url}/collab/yjs/demo"
        browser = await node.open(base, "notes", token=token())
        await browser.synced()
        async with provider(mounted.document()) as python:
            await ann.connect(mounted.document(name="ann"))
            ann.insert(0, "kept")
            await ann.flush()
            await ann.until_acknowledged()
            await browser.text_is("kept")
            await python.until(lambda: python.text() == "kept")
        await browser.close()
    code, _ = await ann.socket.closed()
    await ann.disconnect()
    async with process(tmp_path, SERVERS[server]) as mounted:
        ben = Editor()
        await ben.connect(mounted.document(name="ben"))
        assert ben.text() == "kept"
        await ben.disconnect()

    assert code is not None and code < 4400  # with 44xx, providers would not dial again
