"""Bytes on their way between files, or the standard streams, and a room."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import aiofiles
import aiofiles.os
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from syncroom.cli.options import write_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    Read = Callable[[int], Awaitable[bytes]]
    Write = Callable[[bytes], Awaitable[object]]

STANDARD = "-"
"""Instead of a file: what comes in, or goes out."""


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show, on a terminal, how far a transfer is; call it with the bytes that came to it."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console, is_shown = Console(stderr=True), sys.stderr.isatty()
    with Progress(*columns, console=console, disable=not is_shown) as bars:
        task = bars.add_task(title, total=total)
        yield lambda count: bars.advance(task, count)


@asynccontextmanager
async def source(name: str) -> AsyncIterator[tuple[Read, int | None]]:
    """What reads a file, or what comes in, and how many bytes there are if that is known."""
    if name == STANDARD:
        yield read_input, None
        return
    async with aiofiles.open(name, "rb") as file:
        yield file.read, os.fstat(file.fileno()).st_size


@asynccontextmanager
async def target(path: Path | None) -> AsyncIterator[Write]:
    """What writes a file, which is there whole or as it was; or what goes out, without a path."""
    if path is None:
        yield _write_output
        return
    part = path.with_name(f".{path.name}.part")
    try:
        async with aiofiles.open(part, "wb") as file:
            yield file.write
        await aiofiles.os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


async def read_input(size: int) -> bytes:
    """Read what comes in, no more than there is, so that nothing but the event loop waits."""
    descriptor = sys.stdin.fileno()
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(descriptor, readable.set)
    except PermissionError:  # a file, of which there is always more or none
        return os.read(descriptor, size)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, size)


async def _write_output(data: bytes) -> None:
    await asyncio.to_thread(write_bytes, data, sys.stdout)
