"""Services of a real server: up with it, gone with it however it ends, refused where misspelt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pycrdt
import pytest

from tests.support.editor import ProviderClient, provider
from tests.support.pids import Watched
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S_MAX = 60.0

PROGRAM = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print("pids", os.getpid(), child.pid, flush=True)
time.sleep(3600)
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    """A server with one service, ``sleeper`` in the room ``demo``."""
    server = Server(tmp_path / "data", service_stop_s=1.0)
    command = [sys.executable, "-c", PROGRAM]
    write(server.data_dir, [{"id": "sleeper", "room": "demo", "command": command}])
    server.start()
    yield server
    server.close()


def write(folder: Path, services: list[dict[str, Any]]) -> None:
    folder.mkdir(mode=0o700)
    (folder / "services.yaml").write_text(json.dumps({"services": services}))  # JSON is YAML


def logged(reader: ProviderClient) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = reader.doc.get("logs", type=pycrdt.Array).to_py() or []
    return [each["data"] for each in entries]


async def processes(server: Server) -> list[Watched]:
    """The service and its child, as it prints them into the room's log."""

    def printed() -> list[str]:
        return [it["message"] for it in logged(reader) if it["message"].startswith("pids ")]

    async with provider(server.document_url(".room/logs", server.token())) as reader:
        await reader.until(lambda: bool(printed()))
        return [Watched(int(each)) for each in printed()[-1].split()[1:]]


async def test_a_service_runs_and_is_shown(served: Server) -> None:
    await processes(served)

    async with provider(served.document_url(".room/services", served.token())) as reader:
        states = reader.map("services")

    assert states["sleeper"]["state"] == "running"


@pytest.mark.parametrize("way", ["terminate", "kill"])
async def test_no_process_of_a_service_outlives_its_server(served: Server, way: str) -> None:
    running = await processes(served)

    getattr(served, way)()

    for each in running:
        each.wait()


async def test_a_service_whose_keeper_is_told_to_end_ends_and_comes_back(served: Server) -> None:
    service, child = await processes(served)

    os.kill(service.parent, signal.SIGTERM)
    service.wait()
    child.wait()

    async with provider(served.document_url(".room/services", served.token())) as reader:
        await reader.until(lambda: reader.map("services")["sleeper"]["restart_count"] == 1)


@pytest.mark.parametrize("word", ["comand", "command"])
def test_a_server_with_a_broken_file_says_so_and_does_not_start(tmp_path: Path, word: str) -> None:
    folder = tmp_path / "data"
    write(folder, [{"id": "clock", "room": "demo", word: "x", "restart": "at times"}])

    ended = subprocess.run(
        [sys.executable, "-m", "syncroom", "serve", "--port", "0", "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        timeout=WAIT_S_MAX,
    )

    assert ended.returncode != 0
    assert "services.yaml" in ended.stderr and "service 'clock', restart" in ended.stderr
    assert "Traceback" not in ended.stderr
