"""
Large files pass in constant memory of server and client, and ``kill -9`` of the server in the
middle of uploads leaves files whole or not at all, and nothing beside them.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
from typing import TYPE_CHECKING

import pytest

from syncroom import RoomClient
from syncroom.client.files import download, upload
from syncroom.errors import SyncroomError
from tests.cli.room.support import RoomCommand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.support.server import Server

IS_NIGHTLY = "SYNCROOM_NIGHTLY" in os.environ
SIZE = (1 << 30) if IS_NIGHTLY else (256 << 20)
GROWTH_MAX = 64 << 20
PART = 1 << 20

KILLS = 100 if IS_NIGHTLY else 8
UPLOADERS = 4
FILE_BYTES = 2 << 20


@pytest.mark.timeout(900)
def test_a_large_file_passes_in_constant_memory_both_ways(server: Server, tmp_path: Path) -> None:
    command = RoomCommand(server, "demo")
    source, back = tmp_path / "source", tmp_path / "back"
    small = tmp_path / "small"
    small.write_bytes(os.urandom(PART))
    _fill(source)
    base = max(
        _client_peak(command, "put", str(small), "small"),
        _client_peak(command, "get", "small", "--to", str(tmp_path / "again")),
    )
    server.forget_peak()
    held = server.peak_memory()

    sending = _client_peak(command, "put", str(source), "large")
    reading = _client_peak(command, "get", "large", "--to", str(back))

    assert server.peak_memory() - held < GROWTH_MAX
    assert sending - base < GROWTH_MAX
    assert reading - base < GROWTH_MAX
    assert back.stat().st_size == SIZE
    assert _digest(back) == _digest(source)


@pytest.mark.timeout(900)
async def test_a_kill_in_the_middle_of_uploads_leaves_files_whole_or_not_at_all(
    server: Server,
) -> None:
    rng = random.Random(7)
    token = server.token()
    done: set[str] = set()
    for kill in range(KILLS):
        parts = asyncio.Semaphore(0)
        names = [f"{kill}-{number}" for number in range(UPLOADERS)]
        uploading = [
            asyncio.create_task(_upload_until_cut(server, token, name, parts, done))
            for name in names
        ]
        for _ in range(rng.randrange(1, 80)):
            await parts.acquire()
        server.kill()
        await asyncio.gather(*uploading)
        server.start()

        there = await _whole_files(server, token)

        assert done <= there
        stored = [name for name in server.stored_files() if name.startswith("files/")]
        assert len(stored) == len(there)


async def _upload_until_cut(
    server: Server, token: str, name: str, parts: asyncio.Semaphore, done: set[str]
) -> None:
    """Upload one file after the other, until the server is gone."""
    try:
        async with RoomClient(server.url, "demo", token) as room:
            for count in itertools.count():
                path = f"{name}-{count}"
                await upload(room, path, _reader(path, parts), size=FILE_BYTES)
                done.add(path)
    except SyncroomError:
        return  # every round ends like this


def _reader(path: str, parts: asyncio.Semaphore) -> Callable[[int], Awaitable[bytes]]:
    content = _content(path)
    at = 0

    async def read(size: int) -> bytes:
        nonlocal at
        parts.release()
        at += size
        return content[at - size : at]

    return read


async def _whole_files(server: Server, token: str) -> set[str]:
    """The files that are listed, each of which has the content that it was to have."""
    async with RoomClient(server.url, "demo", token) as room:
        listed = (await room.call("storage", "list", {"path": ""})).header["json"]["files"]
        for line in listed:
            async with download(room, line["name"]) as file:
                content = b"".join([part async for part in file.parts])
            assert content == _content(line["name"]), line["name"]
    return {line["name"] for line in listed}


def _content(path: str) -> bytes:
    seed = hashlib.sha256(path.encode()).digest()
    return seed * (FILE_BYTES // len(seed))


def _client_peak(command: RoomCommand, *arguments: str) -> int:
    """The most bytes of memory that a command held; it has to succeed."""
    process = command.begin("storage", *arguments)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.close()
    printed = process.stdout.read() + process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    assert process.returncode == 0, printed
    return used.ru_maxrss << 10


def _fill(path: Path) -> None:
    """Write a file of which no two parts are the same."""
    block = os.urandom(PART)
    with path.open("wb") as file:
        for number in range(SIZE // PART):
            file.write(number.to_bytes(8, "big") + block[8:])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
