"""Files pass in parts, whole or not at all."""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from syncroom import RoomClient
from syncroom.client.files import download, upload
from syncroom.errors import Conflict, Malformed
from tests.support.raw import joined

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.support.raw import RawClient
    from tests.support.server import Server

CONTENT = os.urandom(2_500_000)


def reader(content: bytes) -> Callable[[int], Awaitable[bytes]]:
    source = BytesIO(content)

    async def read(size: int) -> bytes:
        return source.read(size)

    return read


@pytest.fixture
def client(shared_server: Server, room: str) -> RoomClient:
    return RoomClient(shared_server.url, room, shared_server.token(room=room, scope="full"))


@pytest.mark.parametrize("size", [None, len(CONTENT)])
async def test_a_file_comes_back_as_it_was(client: RoomClient, size: int | None) -> None:
    async with client as room:
        await upload(room, "notes/a.png", reader(CONTENT), size=size)
        async with download(room, "notes/a.png") as file:
            parts = [part async for part in file.parts]

    assert (file.name, file.mime_type, file.size) == ("a.png", "image/png", len(CONTENT))
    assert b"".join(parts) == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT) + 1, len(CONTENT) - 1])
async def test_a_file_of_another_size_than_was_said_is_not_written(
    client: RoomClient, size: int
) -> None:
    async with client as room:
        with pytest.raises(Malformed, match="announced"):
            await upload(room, "a", reader(CONTENT), size=size)
        found = await room.call("storage", "exists", {"path": "a"})

    assert found.header["json"] == {"exists": False}


async def test_a_file_and_a_document_that_somebody_has_open_keep_apart(
    client: RoomClient, shared_server: Server, room: str
) -> None:
    def editor(path: str) -> AbstractAsyncContextManager[RawClient]:
        return joined(shared_server.document_url(path, shared_server.token(room=room), room=room))

    async with client as here:
        async with editor("notes"):
            with pytest.raises(Conflict, match="there is a document at 'notes' already"):
                await upload(here, "notes", reader(CONTENT))
        await upload(here, "a", reader(CONTENT))
        with pytest.raises(AssertionError, match="there is a file at 'a'"):
            async with editor("a"):
                pass


async def test_a_download_may_be_left_early(client: RoomClient) -> None:
    async with client as room:
        await upload(room, "a", reader(CONTENT))
        async with download(room, "a") as file:
            first = await anext(file.parts)
        async with download(room, "a") as file:
            again = await anext(file.parts)

    assert CONTENT.startswith(first)
    assert first == again
