"""Where files are that commands read and write: on the disk here, or in the room."""

from __future__ import annotations

import asyncio
import glob
import os
import posixpath
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from syncroom.cli.room.transfer import STANDARD, progress, source, target
from syncroom.client.files import download, upload
from syncroom.errors import Malformed, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from syncroom.cli.room.transfer import Read
    from syncroom.client.room import RoomClient

_SCHEME = "room://"
_PART_BYTES = 1 << 20


class Opened(NamedTuple):
    """A file that is being read."""

    read: Read
    size: int | None
    """In bytes, if that is known."""
    mime_type: str | None


class Place(Protocol):
    """Somewhere files are."""

    async def matching(self, pattern: str) -> list[str]:
        """The paths that a pattern names: a file, a folder, or several by their names."""

    async def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""

    async def below(self, folder: str) -> list[str]:
        """The files in a folder and in its folders, as it names them."""

    def reading(self, path: str) -> AbstractAsyncContextManager[Opened]:
        """A file, to be read."""

    async def write(self, path: str, file: Opened) -> None:
        """Put a file there, whole or not at all, in place of one that is there."""


class OnDisk:
    """The disk of the machine that the command runs on, or its standard streams."""

    async def matching(self, pattern: str) -> list[str]:
        return await asyncio.to_thread(_matching_here, pattern)

    async def is_folder(self, path: str) -> bool:
        return await asyncio.to_thread(os.path.isdir, path)

    async def below(self, folder: str) -> list[str]:
        return await asyncio.to_thread(_below_here, Path(folder))

    @asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[Opened]:
        async with source(path) as (read, size):
            yield Opened(read, size, None)

    async def write(self, path: str, file: Opened) -> None:
        file_path = None if path == STANDARD else Path(path)
        if file_path is not None:
            file_path.parent.mkdir(parents=True, exist_ok=True)
        async with target(file_path) as write:
            while part := await file.read(_PART_BYTES):
                await write(part)


class InRoom:
    """The files of a room."""

    def __init__(self, room: RoomClient) -> None:
        self._room = room

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Ask for something that is answered in JSON."""
        answer: dict[str, Any] = (await self._room.call("storage", tool, arguments)).header["json"]
        return answer

    async def lines(self, folder: str, *, is_recursive: bool) -> list[dict[str, Any]]:
        """The lines of a folder, with their paths."""
        found: list[dict[str, Any]] = []
        for line in (await self.ask("list", path=folder))["files"]:
            path = posixpath.join(folder, line["name"])
            found.append({"path": path.removeprefix("/"), **line})
            if is_recursive and line["is_folder"]:
                found += await self.lines(path, is_recursive=True)
        return found

    async def matching(self, pattern: str) -> list[str]:
        folder, name = posixpath.split(pattern)
        if not glob.has_magic(name) or (await self.ask("exists", path=pattern))["exists"]:
            return [pattern]
        lines = await self.lines(folder, is_recursive=False)
        return _some([it["path"] for it in lines if fnmatchcase(it["name"], name)], pattern)

    async def is_folder(self, path: str) -> bool:
        return path.strip("/") == "" or bool((await self.ask("stat", path=path)).get("is_folder"))

    async def below(self, folder: str) -> list[str]:
        folder = folder.strip("/")
        lines = await self.lines(folder, is_recursive=True)
        paths = [it["path"] for it in lines if not it["is_folder"]]
        return [_harmless(each.removeprefix(f"{folder}/")) for each in paths]

    @asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[Opened]:
        async with download(self._room, path) as file:
            rest = b""

            async def read(count: int) -> bytes:
                nonlocal rest
                rest = rest or await anext(file.parts, b"")
                part, rest = rest[:count], rest[count:]
                return part

            yield Opened(read, file.size, file.mime_type)

    async def write(self, path: str, file: Opened) -> None:
        size, mime_type = file.size, file.mime_type
        await upload(self._room, path, file.read, size=size, mime_type=mime_type, overwrite=True)


def place_of(room: RoomClient, path: str) -> tuple[Place, str]:
    """Where a path is, and what it is there: ``room://`` is the room, all else the disk."""
    if path.startswith(_SCHEME):
        return InRoom(room), in_room(path)
    return OnDisk(), path


def in_room(path: str) -> str:
    """A path in the room, which may be written with ``room://``."""
    return path.removeprefix(_SCHEME)


async def copy(source: Place, pattern: str, dest: Place, path: str, *, is_recursive: bool) -> None:
    """Copy what a pattern names to a path, or into the folder there.

    Raises `Malformed` where it is several files, or a folder, and none or no folder is asked for.
    """
    found = await source.matching(pattern)
    is_into = path.endswith("/") or await dest.is_folder(path)
    if len(found) > 1 and not is_into:
        raise Malformed(f"{len(found)} files can't all become {path!r}; a folder ends in /")
    for each in found:
        name = posixpath.basename(each.rstrip("/"))
        to = posixpath.join(path, name) if is_into and name else path
        if not await source.is_folder(each):
            await _copy_file(source, each, dest, to)
        elif not is_recursive:
            raise Malformed(f"{each!r} is a folder; copy it with --recursive")
        else:
            for below in await source.below(each):
                from_path, to_path = posixpath.join(each, below), posixpath.join(to, below)
                await _copy_file(source, from_path, dest, to_path)


async def _copy_file(source: Place, path: str, dest: Place, to: str) -> None:
    async with source.reading(path) as file:
        with progress(path, file.size) as advance:

            async def read(count: int) -> bytes:
                part = await file.read(count)
                advance(len(part))
                return part

            await dest.write(to, file._replace(read=read))


def _matching_here(pattern: str) -> list[str]:
    if os.path.lexists(pattern) or not glob.has_magic(pattern):
        return [pattern]
    return _some(sorted(glob.glob(pattern)), pattern)


def _below_here(folder: Path) -> list[str]:
    found = sorted(each for each in folder.rglob("*") if each.is_file())
    return [each.relative_to(folder).as_posix() for each in found]


def _some(found: list[str], pattern: str) -> list[str]:
    if not found:
        raise NotFound(f"nothing matches {pattern!r}")
    return found


def _harmless(path: str) -> str:
    """A path that a server told; raises `Malformed` where it leads elsewhere on a disk."""
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise Malformed(f"the server named the file {path!r}, which leads out of its folder")
    return path
