"""
The bytes of files, one file of the disk each, named by chance: no name that somebody chose ever
becomes the name of a file.

A blob is written beside the others under a name of its own, synced, and then given its id. So it
is there whole or not at all, and nothing is ever written over.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiofiles

from syncroom.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container
    from pathlib import Path

    from aiofiles.threadpool.binary import AsyncBufferedIOBase, AsyncBufferedReader

_UNFINISHED = ".part"


class BlobWriter:
    """One blob that is being written."""

    def __init__(self, file: AsyncBufferedIOBase, path: Path) -> None:
        self._file = file
        self._path = path
        self.size = 0
        """How many bytes were written."""

    async def write(self, data: bytes) -> None:
        """Add bytes; raises `Unavailable`."""
        try:
            await self._file.write(data)
        except OSError as error:
            raise _unavailable(error) from error
        self.size += len(data)

    async def commit(self) -> str:
        """Return the id of the blob, which is on disk by then; raises `Unavailable`."""
        blob = self._path.name.removesuffix(_UNFINISHED)
        try:
            await self._file.flush()
            await asyncio.to_thread(_finish, self._file.fileno(), self._path, blob)
        except OSError as error:
            raise _unavailable(error) from error
        return blob


class Blobs:
    """The blobs of one data folder, room by room.

    Args:
        data_dir: the data folder.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "files"

    def path(self, room: str, blob: str) -> Path:
        """The file that holds a blob."""
        return self._room(room) / blob

    async def open(self, room: str, blob: str) -> AsyncBufferedReader:
        """A blob to be read; raises `FileNotFoundError` where it is gone, `Unavailable`."""
        try:
            return await aiofiles.open(self.path(room, blob), "rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unavailable(error) from error

    @asynccontextmanager
    async def writer(self, room: str) -> AsyncIterator[BlobWriter]:
        """Begin a blob; without a commit, nothing of it stays. Raises `Unavailable`."""
        path = self._room(room) / f"{secrets.token_hex(16)}{_UNFINISHED}"
        try:
            await asyncio.to_thread(_make_folder, path.parent)
            file = await aiofiles.open(path, "xb")
        except OSError as error:
            raise _unavailable(error) from error
        try:
            yield BlobWriter(file, path)
        finally:
            with suppress(OSError):  # a full disk refuses once more what it has refused already
                await file.close()
            with suppress(OSError):  # then it goes when the room is next in use
                await asyncio.to_thread(path.unlink, missing_ok=True)

    async def delete(self, room: str, blob: str) -> None:
        """Take a blob away, unless it is gone; raises `Unavailable`."""
        try:
            await asyncio.to_thread(self.path(room, blob).unlink, missing_ok=True)
        except OSError as error:
            raise _unavailable(error) from error

    async def sweep(self, room: str, used: Container[str]) -> None:
        """Take away what nobody refers to: what a killed process left. Raises `Unavailable`."""
        try:
            await asyncio.to_thread(_sweep, self._room(room), used)
        except OSError as error:
            raise _unavailable(error) from error

    async def delete_room(self, room: str) -> None:
        """Take all blobs of a room away; raises `Unavailable`."""
        try:
            await asyncio.to_thread(_delete_folder, self._room(room))
        except OSError as error:
            raise _unavailable(error) from error

    def _room(self, room: str) -> Path:
        return self._folder / hashlib.sha256(room.encode()).hexdigest()[:32]


def _make_folder(folder: Path) -> None:
    """Make the folder of a room, on disk: without its entry all files in it are lost."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync(folder.parent)
        _sync(folder.parent.parent)


def _finish(descriptor: int, path: Path, blob: str) -> None:
    os.fsync(descriptor)
    path.rename(path.with_name(blob))
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete_folder(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)


def _sweep(folder: Path, used: Container[str]) -> None:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name not in used:
            path.unlink()


def _unavailable(error: OSError) -> Unavailable:
    return Unavailable(f"files can't be stored or read now: {error.strerror or error}")
