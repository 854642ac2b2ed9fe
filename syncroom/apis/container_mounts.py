"""
What is put into a container before it starts, as one archive: files with a text, and copies of
files of its room.

No folder of the server is ever mounted. What a container does to its copies stays with it.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from syncroom.apis.storage import file_path
from syncroom.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from syncroom.apis.container_requests import Mounts
    from syncroom.apis.shelf import Shelf
    from syncroom.auth.participant import Participant

    Copies = dict[str, str]
    """Paths of files in the room, by where they are to be."""

_READ_BYTES = 1 << 20
_READABLE, _WRITABLE, _FOLDER = 0o444, 0o666, 0o755


async def find_copies(mounts: Mounts, who: Participant, shelf: Shelf, bytes_max: int) -> Copies:
    """Those files of the room that are to be copied; raises `Denied`, `LimitExceeded`."""
    copies: Copies = {}
    size = 0
    for each in mounts.room:
        folder = file_path(each.subpath or "")
        for path, file_size in (await shelf.readable(who, folder)).items():
            below = path.removeprefix(folder).lstrip("/")
            copies[f"{each.path}/{below}"] = path
            size += file_size
    if size > bytes_max:
        raise LimitExceeded(
            f"the files to copy have {size} bytes, {bytes_max} are allowed; name a subpath"
        )
    return copies


async def pack(mounts: Mounts, copies: Copies, shelf: Shelf) -> AsyncIterator[bytes]:
    """What is put into a container, as a tar archive; raises `NotFound` for a file that went."""
    for each in mounts.room:
        yield _head(each.path, 0, _FOLDER, tarfile.DIRTYPE)
    for given in mounts.files:
        data = given.text.encode()
        yield _head(given.path, len(data), _READABLE if given.read_only else _WRITABLE)
        yield data + _padding(len(data))
    for target, path in copies.items():
        async with shelf.reading(path) as file:
            yield _head(target, file.size, _READABLE)
            while part := await file.read(_READ_BYTES):
                yield part
            yield _padding(file.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _head(path: str, size: int, mode: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(path.lstrip("/"))
    member.size, member.mode, member.type = size, mode, kind
    return member.tobuf()


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
