"""
The files of a room and the documents that lie among them, for whoever asks, over whichever wire.

Who may do what is known here only where a document is concerned: that takes the right to the
document as well. The right to the file was checked before.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple, Protocol

from syncroom.apis.base import denied
from syncroom.apis.files import NotEmpty
from syncroom.errors import Conflict, Malformed, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from syncroom.apis.base import Caller
    from syncroom.apis.files import Files, Lines
    from syncroom.auth.participant import Participant

UPDATED = "storage.file.updated"
DELETED = "storage.file.deleted"
MOVED = "storage.file.moved"

_COPY_BYTES = 1 << 20

_MIME_TYPE = re.compile(r"[!-~]+/[!-~]+(?:;[ -~]*)?")
"""It comes back as a header."""


class RoomDocuments(Protocol):
    """The documents of a room, as far as they are files."""

    async def read(self, path: str) -> bytes:
        """The content, as JSON text."""

    async def end(self, path: str) -> None:
        """End a document with its history."""


class Reading(NamedTuple):
    """A file that is being read."""

    name: str
    mime_type: str
    size: int
    read: Callable[[int], Awaitable[bytes]]
    """The next bytes, up to so many."""


class Shelf:
    """The files of one room.

    Args:
        files: the catalogue.
        documents: the documents that lie among them.
        members: who is in the room and hears of changes, by id.
    """

    def __init__(
        self, files: Files, documents: RoomDocuments, members: Mapping[str, Caller]
    ) -> None:
        self.files = files
        self._documents = documents
        self._members = members

    async def visible(self, who: Participant, folder: str) -> Lines:
        """What lies in a folder and somebody may know of."""
        grant = who.scope.storage if who.scope is not None else None
        if grant is None:
            return []
        prefix = f"{folder}/" if folder else ""
        lines = await self.files.list(folder)
        return [
            line
            for line in lines
            if grant.can_list(prefix + line.name)
            or (line.is_folder and grant.can_list_directory(prefix + line.name))
        ]

    async def readable(self, who: Participant, folder: str) -> dict[str, int]:
        """The files below a folder that somebody may read, each with its size; no documents."""
        grant = who.scope.storage if who.scope is not None else None
        if grant is None:
            raise denied("to read the files of the room")
        found = await self.files.below(folder)
        return {path: file.size for path, file in found.items() if grant.can_read(path)}

    async def check_there(self, who: Participant, path: str) -> None:
        """Raise `NotFound` where no file is, or `Denied` where a document may not be read."""
        if await self.files.find(path) is not None:
            return
        if await self.files.document(path) is None:
            raise NotFound(f"there is no file at {path!r}: file not found")
        if not who.may_read(path):
            raise denied("to read this document")

    @asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[Reading]:
        """The bytes of a file, or the JSON of a document, as they are now; raises `NotFound`."""
        if await self.files.find(path) is None:
            content = await self._documents.read(path)
            name = path.rpartition("/")[2]
            yield Reading(name, "application/json", len(content), _Memory(content).read)
            return
        async with self.files.reading(path) as (file, source):
            yield Reading(file.name, file.mime_type, file.size, source.read)

    async def save(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        actor: str,
        *,
        overwrite: bool,
        size: int | None = None,
        name: str = "",
        mime_type: str = "",
    ) -> None:
        """Write a file, and tell those who may read it. What is cut off changes nothing."""
        if mime_type and not _MIME_TYPE.fullmatch(mime_type):
            raise Malformed(f"{mime_type[:80]!r} is no type of content, as text/plain is one")
        await self.files.check_free(path, overwrite=overwrite)
        self.files.check_room(size or 0, path)
        async with self.files.blobs.writer(self.files.room) as writer:
            async for chunk in chunks:
                await writer.write(chunk)
                self.files.check_room(writer.size, path)
            if size is not None and writer.size != size:
                raise Malformed(f"{writer.size} bytes came of the {size} that were announced")
            blob = await writer.commit()
            names = {"name": name, "mime_type": mime_type}
            await self.files.put(path, blob, writer.size, overwrite=overwrite, **names)
        self._tell([path], UPDATED, {"path": path, "participant_id": actor})

    async def remove(self, who: Participant, path: str, actor: str, recursive: bool) -> None:
        """Take something away, with all that lies in it, and tell those who may read it.

        Raises `NotFound`, `NotEmpty`, and `Denied` where a document is concerned that ``who`` may
        not write; then nothing is taken away.
        """
        documents = await self.files.documents_at(path)
        if not all(map(who.may_write, documents)):
            raise denied("to delete the documents in this folder")
        if documents and documents != [path] and not recursive:
            raise NotEmpty(f"{path!r} is a folder; delete it with all that lies in it")
        gone = []
        if not documents or await self.files.holds(path):
            gone = await self.files.delete(path, recursive=recursive)
        for each in documents:
            await self._documents.end(each)
        for each in [*gone, *documents]:
            self._tell([each], DELETED, {"path": each, "participant_id": actor})

    async def copy(
        self, who: Participant, source: str, target: str, actor: str, *, overwrite: bool
    ) -> None:
        """Write a file with the content that another one has, or all that lies in a folder.

        Raises `NotFound`, and `Denied` where somebody may not read a document.
        """
        line, sources = await self.files.stat(source), [source]
        if line is not None and line.is_folder:
            documents = await self.files.documents_at(source)
            sources = sorted({*documents, *await self.files.below(source)})
        for each in sources:
            await self.check_there(who, each)
        for each in sources:
            place = target + each.removeprefix(source)
            async with self.reading(each) as file:
                kind = file.mime_type
                await self.save(place, _chunks(file), actor, overwrite=overwrite, mime_type=kind)

    async def relocate(self, source: str, target: str, actor: str, *, overwrite: bool) -> None:
        """Put a file or a folder elsewhere, and tell those who may read it."""
        if await self.files.documents_at(source):
            raise Conflict(f"{source!r} is or holds a document, and documents can't be moved")
        for old, new in await self.files.move(source, target, overwrite=overwrite):
            news = {"source_path": old, "destination_path": new, "participant_id": actor}
            self._tell([old, new], MOVED, news)

    def _tell(self, paths: list[str], kind: str, news: Mapping[str, str]) -> None:
        for member in list(self._members.values()):
            scope = member.participant.scope
            grant = scope.storage if scope is not None else None
            if grant is not None and any(grant.can_read(path) for path in paths):
                member.send(kind, news)


class _Memory:
    """Bytes that are read as a file is."""

    def __init__(self, content: bytes) -> None:
        self._content = BytesIO(content)

    async def read(self, size: int) -> bytes:
        return self._content.read(size)


async def _chunks(file: Reading) -> AsyncIterator[bytes]:
    while chunk := await file.read(_COPY_BYTES):
        yield chunk
