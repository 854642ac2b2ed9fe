"""
The files of a room.  Grant: `storage`.

Files and documents share their folders: a document is listed among the files, is downloaded as
JSON, and ends when it is deleted here. What concerns a document takes the right to it as well.
Whoever may read a file hears when it changes.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import Field

from syncroom.apis.base import Caller, Request, Toolkit, stream, tool
from syncroom.apis.files import NotEmpty
from syncroom.auth.paths import is_reserved
from syncroom.auth.storage_grant import canonical_file_path
from syncroom.errors import Conflict, Damaged, Malformed, NotFound
from syncroom.protocol.meshagent import Content, binary_content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from syncroom.apis.base import Permits
    from syncroom.apis.calls import Stream
    from syncroom.apis.files import Listed
    from syncroom.apis.shelf import Shelf
    from syncroom.auth.participant import Participant
    from syncroom.auth.storage_grant import StorageGrant

    SignUrl = Callable[[Caller, str, bool], str]
    """The URL where a caller may download a path without more, as an attachment or not."""

T = TypeVar("T")

_CHUNK_BYTES_MAX = 1 << 20
_PULL_BYTES = 128 << 10
"""What an uploading client is asked for at a time."""

_DOT_SLASHES = re.compile(r"\A(?:\./)+")


class InvalidPath(Malformed):
    """A path that no file can have."""


def file_path(text: str) -> str:
    """A path as clients send it, in its one spelling, empty for the root; raises `InvalidPath`."""
    path = _DOT_SLASHES.sub("", text).strip("/")
    try:
        path = canonical_file_path("" if path == "." else path)
    except Malformed as error:
        raise InvalidPath(str(error)) from None
    if path and is_reserved(path):
        raise InvalidPath("the folder .room is the server's own")
    return path


class _Named(Request):
    path: str

    @property
    def place(self) -> str:
        """The path in its one spelling; raises `InvalidPath`."""
        return file_path(self.path)

    @property
    def file(self) -> str:
        """The same, of what has a name; raises `InvalidPath`."""
        if not self.place:
            raise InvalidPath("the root of a room is no file")
        return self.place


class Delete(_Named):
    """Something to take away."""

    recursive: bool | None = None


class Move(Request):
    """Something to put elsewhere."""

    source_path: str
    destination_path: str
    overwrite: bool = False


class DownloadUrl(_Named):
    """Something to read elsewhere."""

    download: bool | None = None


class Upload(_Named):
    """A file that is to come."""

    kind: Literal["start"]
    overwrite: bool = False
    name: str | None = Field(default=None, max_length=1024)
    mime_type: str | None = Field(default=None, max_length=256)
    size: int | None = Field(default=None, ge=0)


class Download(_Named):
    """A file to read."""

    kind: Literal["start"]
    chunk_size: int = Field(default=65536, gt=0)


def _may(right: Callable[[StorageGrant, Any], bool]) -> Permits:
    def permits(participant: Participant, request: Request) -> bool:
        storage = participant.scope.storage if participant.scope is not None else None
        return storage is not None and right(storage, request)

    return permits


_may_see = _may(lambda grant, it: grant.can_read(it.place) or grant.can_list(it.place))
_may_list = _may(lambda grant, it: grant.can_list_directory(it.place))
_may_read = _may(lambda grant, it: grant.can_read(it.file))
_may_write = _may(lambda grant, it: grant.can_write(it.file))
_may_delete = _may(lambda grant, it: grant.can_delete(it.file, recursive=bool(it.recursive)))


def _can_move(grant: StorageGrant, request: Move) -> bool:
    source, target = file_path(request.source_path), file_path(request.destination_path)
    return grant.can_delete(source, recursive=True) and grant.can_write(target, subtree=True)


class Storage(Toolkit):
    """The files of one room.

    Args:
        shelf: the files.
        sign_url: makes URLs that work alone.
        stalled_s_max: how long a client may leave a transfer as it is.
    """

    name: ClassVar = "storage"
    grant: ClassVar = "storage"
    shelf: Shelf
    """The files, for whoever asks for them over another wire."""
    numbers: ClassVar = {NotFound: 3001, NotEmpty: 3002, InvalidPath: 3004, Conflict: 3005}

    def __init__(self, shelf: Shelf, sign_url: SignUrl, stalled_s_max: float) -> None:
        self.shelf = shelf
        self.map = shelf.files.map
        self._sign_url = sign_url
        self._stalled_s_max = stalled_s_max

    async def occupies(self, path: str) -> bool:
        return await self.shelf.files.occupies(path)

    @tool(_Named, _may_see)
    async def exists(self, caller: Caller, request: _Named) -> dict[str, Any]:
        """Whether a file, a document or a folder is there."""
        return {
            "exists": not request.place or await self.shelf.files.stat(request.place) is not None
        }

    @tool(_Named, _may_see)
    async def stat(self, caller: Caller, request: _Named) -> dict[str, Any]:
        """Tell what is there."""
        line = await self.shelf.files.stat(request.place) if request.place else None
        return {"exists": False} if line is None else {"exists": True, **line_json(line)}

    @tool(_Named, _may_list)
    async def list(self, caller: Caller, request: _Named) -> dict[str, Any]:
        """Tell what lies in a folder and the caller may know of."""
        return {
            "files": [
                line_json(it) for it in await self.shelf.visible(caller.participant, request.place)
            ]
        }

    @tool(Delete, _may_delete)
    async def delete(self, caller: Caller, request: Delete) -> None:
        """Take a file, a document, or a folder with all that lies in it, away."""
        await self.shelf.remove(
            caller.participant, request.file, caller.id, bool(request.recursive)
        )

    @tool(Move, _may(_can_move))
    async def move(self, caller: Caller, request: Move) -> None:
        """Put a file or a folder elsewhere."""
        source, target = file_path(request.source_path), file_path(request.destination_path)
        if not source or not target:
            raise InvalidPath("the root of a room can't be moved, nor anything to it")
        await self.shelf.relocate(source, target, caller.id, overwrite=request.overwrite)

    @tool(DownloadUrl, _may_read)
    async def download_url(self, caller: Caller, request: DownloadUrl) -> dict[str, Any]:
        """A URL that whoever has it can download from, for a while."""
        await self.shelf.check_there(caller.participant, request.file)
        return {"url": self._sign_url(caller, request.file, bool(request.download))}

    @stream(Upload, _may_write)
    async def upload(self, caller: Caller, request: Upload, stream: Stream) -> None:
        """Take a file in parts, each asked for; it is there whole, or not at all."""
        await self.shelf.save(
            request.file,
            self._pulled(stream, request),
            caller.id,
            overwrite=request.overwrite,
            size=request.size,
            name=request.name or "",
            mime_type=request.mime_type or "",
        )

    @stream(Download, _may_read)
    async def download(self, caller: Caller, request: Download, stream: Stream) -> None:
        """Send a file in parts, each when it is asked for."""
        await self.shelf.check_there(caller.participant, request.file)
        async with self.shelf.reading(request.file) as file:
            headers = {"name": file.name, "mime_type": file.mime_type, "size": file.size}
            await stream.send(binary_content({"kind": "start", **headers}))
            sent = 0
            while sent < file.size and await next_part(stream, self._stalled_s_max) is not None:
                chunk = await file.read(min(request.chunk_size, _CHUNK_BYTES_MAX))
                if not chunk:
                    raise Damaged(f"the file {request.file!r} ends after {sent} bytes")
                await stream.send(binary_content({"kind": "data"}, chunk))
                sent += len(chunk)

    async def _pulled(self, stream: Stream, request: Upload) -> AsyncIterator[bytes]:
        """What a client sends of a file, asked for part by part."""
        came = 0
        while request.size is None or came < request.size:
            await stream.send(binary_content({"kind": "pull", "chunk_size": _PULL_BYTES}))
            content = await next_part(stream, self._stalled_s_max)
            if content is None:
                return
            yield _data(content)
            came += len(content.payload)


async def next_part(parts: AsyncIterator[T], seconds: float) -> T | None:
    """What comes next, None at the end; raises `Malformed` where nothing comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(parts, None)
    except TimeoutError:
        raise Malformed(f"the transfer was given up: nothing came for {seconds:g} s") from None


def _data(content: Content) -> bytes:
    headers = content.header.get("headers")
    if content.kind != "binary" or not isinstance(headers, dict) or headers.get("kind") != "data":
        raise Malformed("a content of the stream is no part of a file")
    return content.payload


def line_json(line: Listed) -> dict[str, Any]:
    """A line of a list, as SDKs are told of it."""
    return {
        "name": line.name,
        "is_folder": line.is_folder,
        "size": line.size,
        "created_at": line_time(line.created_ms),
        "updated_at": line_time(line.updated_ms),
    }


def line_time(ms: int) -> str:
    """A time in milliseconds since 1970, as SDKs are told of it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
