"""Files of a room, sent and read in parts, in the same memory however large they are."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from syncroom.errors import Malformed, Unavailable
from syncroom.protocol.meshagent import Content, binary_content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import Any

    from syncroom.client.room import CallStream, RoomClient

_PART_BYTES = 1 << 20
_PULL = binary_content({"kind": "pull"})


class Download(NamedTuple):
    """A file that is being read."""

    name: str
    mime_type: str
    size: int
    parts: AsyncIterator[bytes]


async def upload(
    room: RoomClient,
    path: str,
    read: Callable[[int], Awaitable[bytes]],
    *,
    size: int | None = None,
    mime_type: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write a file, which is on the server's disk on return; on any error nothing is written.

    Args:
        room: where the file goes.
        path: its path there.
        read: gives the next bytes, up to so many, and none at the end.
        size: how many there are in all, in bytes; None where that is not known.
        mime_type: what the file is; otherwise the server guesses from the path.
        overwrite: whether a file that is there is replaced; otherwise that is a `Conflict`.
    """
    start = {"kind": "start", "path": path, "overwrite": overwrite, "size": size}
    first = binary_content(start | {"name": None, "mime_type": mime_type})
    async with room.stream("storage", "upload", first) as stream:
        async for content in stream:
            wanted = _headers(content).get("chunk_size")
            part = await read(min(wanted, _PART_BYTES) if wanted else _PART_BYTES)
            if part:
                await stream.send(binary_content({"kind": "data"}, part))
            else:
                await stream.end()


@asynccontextmanager
async def download(room: RoomClient, path: str) -> AsyncIterator[Download]:
    """A file, to be read in parts; raises `NotFound`, `Denied`."""
    start = binary_content({"kind": "start", "path": path, "chunk_size": _PART_BYTES})
    async with room.stream("storage", "download", start) as stream:
        told = _headers(await stream.receive())
        size = int(told["size"])
        yield Download(str(told["name"]), str(told["mime_type"]), size, _parts(stream, size))


async def _parts(stream: CallStream, size: int) -> AsyncIterator[bytes]:
    came = 0
    while came < size:
        await stream.send(_PULL)
        part = (await stream.receive()).payload
        came += len(part)
        yield part
    if came != size:
        raise Unavailable(f"{came} bytes came of a file of {size}")


def _headers(content: Content) -> dict[str, Any]:
    headers = content.header.get("headers")
    if not isinstance(headers, dict):
        raise Malformed(f"the server sent a content of type {content.kind!r} for a file")
    return headers
