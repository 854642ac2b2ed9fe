"""
The catalogue of a room's files: which there are, where their bytes lie, how much they take.

A folder is there as long as something lies in it, or because it was made. Changes are on disk
when a method returns; the bytes that nobody refers to any more go after that.
"""

from __future__ import annotations

import asyncio
import json
import logging
import mimetypes
import time
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from syncroom.apis.live_map import LiveMap
from syncroom.apis.read_once import ReadOnce
from syncroom.auth.paths import normalise
from syncroom.errors import (
    Conflict,
    Damaged,
    LimitExceeded,
    NotFound,
    Unavailable,
)
from syncroom.store.base import Item, folders_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
    from pathlib import Path

    from aiofiles.threadpool.binary import AsyncBufferedReader

    from syncroom.apis.queues import Keep, Load
    from syncroom.limits import Limits
    from syncroom.store.base import DocumentInfo
    from syncroom.store.blobs import Blobs


T = TypeVar("T")

_log = logging.getLogger("syncroom.apis.files")


class NotEmpty(Conflict):
    """A folder with something in it, where one without was needed."""


@dataclass(frozen=True, slots=True)
class File:
    """One file."""

    blob: str
    """Where its bytes are; another id for every content, empty for a folder that was made."""
    size: int
    name: str
    """What it is called when it is downloaded."""
    mime_type: str
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of a folder's list."""

    name: str
    is_folder: bool
    size: int | None
    created_ms: int
    updated_ms: int


Lines: TypeAlias = list[Listed]
Paths: TypeAlias = list[str]
Moves: TypeAlias = list[tuple[str, str]]
"""From where to where."""


class Files:
    """The files of one room.

    Args:
        room: the name of the room.
        blobs: where bytes are.
        load: reads what was kept of the catalogue.
        keep: writes entries, and takes others away.
        documents: the documents of the room, which lie in the same folders: that at a path, those
            below it and those at the folders that it lies in; all for an empty path.
        is_open: whether somebody has a document open at a path, written or not.
        limits: the bounds of the server.
    """

    def __init__(
        self,
        room: str,
        blobs: Blobs,
        load: Load,
        keep: Keep,
        documents: Callable[[str], Awaitable[Sequence[DocumentInfo]]],
        is_open: Callable[[str], bool],
        limits: Limits,
    ) -> None:
        self.room = room
        self.blobs = blobs
        self._load = load
        self._keep = keep
        self._documents = documents
        self._is_open = is_open
        self._limits = limits
        self._files: dict[str, File] = {}
        self._bytes = 0
        self._changing = asyncio.Lock()
        self._kept = ReadOnce(self._read)
        self.map = LiveMap(".room/files", self._shown, self._kept.begin)

    async def find(self, path: str) -> File | None:
        """The file at a path; raises `Damaged`, `Unavailable`, as all that follow."""
        await self._kept.done()
        file = self._files.get(path)
        return file if file is not None and file.blob else None

    async def document(self, path: str) -> DocumentInfo | None:
        """The document at a path."""
        return next((each for each in await self._documents(path) if each.path == path), None)

    async def documents_at(self, path: str) -> Paths:
        """The document at a path, or those that lie below it."""
        paths = [each.path for each in await self._documents(path)]
        return [each for each in paths if each == path or each.startswith(f"{path}/")]

    async def occupies(self, path: str) -> bool:
        """Whether a file is at a path, or is just being put there."""
        async with self._changing:
            return await self.find(path) is not None

    async def holds(self, path: str) -> bool:
        """Whether a file or a folder with files is there."""
        await self._kept.done()
        return any(each == path or each.startswith(f"{path}/") for each in self._files)

    async def below(self, folder: str) -> dict[str, File]:
        """The files in a folder and in its folders, by path."""
        await self._kept.done()
        prefix = f"{folder}/" if folder else ""
        return {path: it for path, it in self._files.items() if path.startswith(prefix) and it.blob}

    async def stat(self, path: str) -> Listed | None:
        """What is at a path: a file, a document or a folder."""
        folder, _, name = path.rpartition("/")
        return (await self._lines(folder, path)).get(name)

    async def list(self, folder: str) -> Lines:
        """What lies in a folder, by name; nothing in one that is not there."""
        found = await self._lines(folder, folder)
        return [found[name] for name in sorted(found)]

    async def _lines(self, folder: str, near: str) -> dict[str, Listed]:
        """What lies in a folder, by name; of documents, what lies near a path in it."""
        await self._kept.done()
        prefix = f"{folder}/" if folder else ""
        found: dict[str, Listed] = {}
        for document in await self._documents(near):
            line = Listed("", False, None, document.created_ms, document.changed_ms)
            _collect(found, prefix, document.path, line)
        for path, file in self._files.items():
            size = file.size if file.blob else None
            line = Listed("", not file.blob, size, file.created_ms, file.updated_ms)
            _collect(found, prefix, path, line)
        return found

    @asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[tuple[File, AsyncBufferedReader]]:
        """A file, open to be read; it stays readable when it is replaced or deleted meanwhile.

        Raises `NotFound`.
        """
        while True:
            file = await self.find(path)
            if file is None:
                raise NotFound(f"there is no file at {path!r}")
            try:
                source = await self.blobs.open(self.room, file.blob)
            except FileNotFoundError:
                if await self.find(path) is file:
                    raise Damaged(f"the bytes of the file {path!r} are gone") from None
                continue  # it was replaced just now
            try:
                yield file, source
            finally:
                await source.close()
            return

    def local_path(self, file: File) -> Path:
        """The file of the disk that holds the bytes of a file."""
        return self.blobs.path(self.room, file.blob)

    async def check_free(self, path: str, *, overwrite: bool) -> None:
        """Raise `Conflict` where no file can be put."""
        await self._kept.done()
        folders = folders_of(path)
        documents = {each.path for each in await self._documents(path)}
        documents.update(filter(self._is_open, [path, *folders]))
        there = self._files.get(path)
        kind = None
        if path in documents:
            kind = "document"
        elif (there is not None and not there.blob) or _holds(path, documents, self._files):
            kind = "folder"
        elif there is not None and not overwrite:
            kind = "file"
        if kind is not None:
            raise Conflict(f"there is a {kind} at {path!r} already")
        for folder in folders:
            file = self._files.get(folder)
            if folder in documents or (file is not None and file.blob):
                raise Conflict(f"{folder!r} is no folder, so nothing can be put into it")

    def check_room(self, size: int, path: str) -> None:
        """Raise `LimitExceeded` where a file of so many bytes is too much."""
        if size > self._limits.file_bytes_max:
            allowed = self._limits.file_bytes_max
            raise LimitExceeded(f"a file may have {allowed} bytes; {path!r} has more")
        replaced = self._files[path].size if path in self._files else 0
        taken, allowed = self._bytes - replaced + size, self._limits.room_files_bytes_max
        if taken > allowed:
            raise LimitExceeded(f"the files of the room would take {taken} of {allowed} bytes")
        if len(self._files) >= self._limits.room_files_max and path not in self._files:
            raise LimitExceeded(f"the room has {len(self._files)} files, as many as it may have")

    async def put(
        self,
        path: str,
        blob: str,
        size: int,
        *,
        overwrite: bool = True,
        name: str = "",
        mime_type: str = "",
    ) -> None:
        """Let a path be the file with the bytes of a blob; the one before it goes.

        Raises `Conflict`, `LimitExceeded`, and `NotFound` where the room was deleted; then the
        blob goes.
        """
        guessed = mimetypes.guess_type(path)[0] or "application/octet-stream"
        title, now = name or _name(path), _now_ms()
        file = File(blob, size, title, mime_type or guessed, now, now)
        await self._alone(self._put(path, file, overwrite))

    async def make_folder(self, path: str) -> None:
        """Let a folder be there also while nothing lies in it; raises `Conflict`."""
        now = _now_ms()
        await self._alone(self._put(path, File("", 0, "", "", now, now), False))

    async def delete(self, path: str, *, recursive: bool) -> Paths:
        """Take a file, or a folder, away; the paths of the files that went.

        Documents stay: they are ended otherwise. Raises `NotFound`, and `NotEmpty` for a folder
        with something in it that is not to be deleted with it.
        """
        return await self._alone(self._delete(path, recursive))

    async def move(self, source: str, target: str, *, overwrite: bool) -> Moves:
        """Move a file, or a folder; from where to where each file went.

        Raises `NotFound`, and `Conflict` where something is in the way.
        """
        if target == source or target.startswith(f"{source}/"):
            raise Conflict(f"{source!r} can't be moved into itself")
        return await self._alone(self._move(source, target, overwrite))

    async def _put(self, path: str, file: File, overwrite: bool) -> None:
        try:
            await self.check_free(path, overwrite=overwrite)
            self.check_room(file.size, path)
            before = self._files.get(path)
            if before is not None:
                file = replace(file, created_ms=before.created_ms)
            await self._change({path: file}, ())
        except (Conflict, LimitExceeded, NotFound):
            await self._forget([file])
            raise
        await self._forget([before])

    async def _delete(self, path: str, recursive: bool) -> Paths:
        below = [each for each in self._files if each.startswith(f"{path}/")]
        if below and not recursive:
            raise NotEmpty(f"{path!r} is a folder; delete it with all that lies in it")
        if path not in self._files and not below:
            raise NotFound(f"there is no file at {path!r}")
        gone = {each: self._files[each] for each in [path, *below] if each in self._files}
        await self._change({}, gone)
        await self._forget(gone.values())
        return [each for each, file in gone.items() if file.blob]

    async def _move(self, source: str, target: str, overwrite: bool) -> Moves:
        await self.check_free(target, overwrite=overwrite)
        moved = {
            path: target + path.removeprefix(source)
            for path in self._files
            if path == source or path.startswith(f"{source}/")
        }
        if not moved:
            raise NotFound(f"there is no file at {source!r}")
        for path in moved.values():
            normalise(path, bytes_max=self._limits.path_bytes_max)  # it may be too long there
        replaced = self._files.get(target)
        files = {new: _renamed(self._files[old], old, new) for old, new in moved.items()}
        await self._change(files, moved)
        await self._forget([replaced])
        return [(old, new) for old, new in moved.items() if self._files[new].blob]

    async def _alone(self, change: Coroutine[Any, Any, T]) -> T:
        """Make one change after the other, each to its end: who asked for it may leave meanwhile,
        and what is on disk and what is known here stay the same."""
        return await asyncio.shield(asyncio.ensure_future(self._in_turn(change)))

    async def _in_turn(self, change: Coroutine[Any, Any, T]) -> T:
        with closing(change):
            await self._kept.done()
            async with self._changing:
                return await change

    async def _change(self, put: dict[str, File], drop: Iterable[str]) -> None:
        items = [Item(path, 0, json.dumps(asdict(file)).encode()) for path, file in put.items()]
        gone = [path for path in drop if path not in put]
        await self._keep(items, [(path, 0) for path in gone])
        for path in gone:
            if self._files.pop(path, None) is not None:
                self.map.remove(path)
        self._files.update(put)
        for path, file in put.items():
            self.map.set(path, _entry(file))
        self._bytes = sum(file.size for file in self._files.values())

    def _shown(self) -> dict[str, dict[str, object]]:
        return {path: _entry(file) for path, file in self._files.items()}

    async def _forget(self, files: Iterable[File | None]) -> None:
        """Let the bytes go that nobody refers to any more."""
        for file in files:
            if file is not None and file.blob:
                try:
                    await self.blobs.delete(self.room, file.blob)
                except Unavailable as error:  # they go when the room is next in use
                    _log.warning("bytes stay that nobody needs: %s", error)

    async def _read(self) -> None:
        items = await self._load()
        self._files = {item.name: File(**json.loads(item.value)) for item in items}
        self._bytes = sum(file.size for file in self._files.values())
        for path, file in self._files.items():
            self.map.set(path, _entry(file))
        await self.blobs.sweep(self.room, {file.blob for file in self._files.values()})


def _entry(file: File) -> dict[str, object]:
    return {"size": file.size, "mime_type": file.mime_type, "updated_ms": file.updated_ms}


def _holds(folder: str, *contents: Iterable[str]) -> bool:
    """Whether something lies below a path."""
    return any(path.startswith(f"{folder}/") for paths in contents for path in paths)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _renamed(file: File, old: str, new: str) -> File:
    """A file elsewhere: it is called as its path says, unless it was given a name of its own."""
    return replace(file, name=_name(new)) if file.name == _name(old) else file


def _collect(found: dict[str, Listed], prefix: str, path: str, line: Listed) -> None:
    """Put what lies at a path into the list of a folder, if it lies there or below it."""
    if not path.startswith(prefix) or path == prefix:
        return
    name, slash, _ = path.removeprefix(prefix).partition("/")
    before = found.get(name)
    created, updated = line.created_ms, line.updated_ms
    if before is not None:
        created, updated = min(created, before.created_ms), max(updated, before.updated_ms)
    is_folder = bool(slash) or line.is_folder
    found[name] = Listed(name, is_folder, None if is_folder else line.size, created, updated)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
