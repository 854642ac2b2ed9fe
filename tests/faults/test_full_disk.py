"""
A running server whose disk refuses to write: it says so, serves what it has, and mends itself.

The disk is full as far as the server can tell, since no file of its process may grow; or another
program holds the write lock of its file.
"""

from __future__ import annotations

import asyncio
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.store.files import tool
from tests.support.editor import Editor
from tests.support.raw import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.conftest import ServerFactory
    from tests.support.server import Server

    Trouble = Callable[[Server], AbstractContextManager[None]]


FILE_BYTES_MAX = 1 << 20
"""Beyond what Python itself may write, which is compiled modules."""


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """No file of the server may be written to behind where its log of writes is by now."""
    assert server.process is not None
    unlimited = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, unlimited[1]))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)


@contextmanager
def held_file(server: Server) -> Iterator[None]:
    with tool(server.data_dir / "syncroom.db") as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def type_until_told(editor: Editor) -> str:
    """Type until the server says that it saves nothing; what it says."""
    while not editor.socket.of_kind("denied"):
        editor.insert(0, "refused ")
        await editor.flush()
        await editor.socket.round_trip()
    return editor.socket.of_kind("denied")[0].reason


@pytest.mark.parametrize(
    ("trouble", "name"),
    [(full_disk, "SQLITE_IOERR_WRITE"), (held_file, "SQLITE_BUSY")],
)
async def test_while_nothing_can_be_stored_writers_are_told_and_readers_go_on(
    start_server: ServerFactory, trouble: Trouble, name: str
) -> None:
    server = start_server()
    token = server.token()
    url = server.document_url("typed", token)
    rest = f"{server.url}/api/rooms/demo/documents/other"
    ann, ben = Editor(), Editor()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
        for editor in (ann, ben):
            await editor.connect(url)
        ann.insert(0, "kept ")
        ann.insert(5, "." * FILE_BYTES_MAX)
        await ann.flush()
        await ann.until_acknowledged()
        acknowledged = ann.acknowledged

        with trouble(server):
            reason = await type_until_told(ann)

            assert "nothing can be saved at present" in reason
            assert name in reason
            assert ann.acknowledged == acknowledged
            ready = await http.get(f"{server.url}/readyz")
            assert ready.status_code == 503
            assert name in ready.json()["reason"]
            assert (await http.get(f"{server.url}/healthz")).status_code == 200
            assert (await http.put(rest, json={"text": "new"})).status_code == 503
            async with joined(url) as reader:
                assert "kept" in reader.text()

        # Told by nobody, the server asks for what it refused.
        await ann.until_acknowledged()
        await ben.until(lambda: ben.text() == ann.text())
        assert (await http.get(f"{server.url}/readyz")).status_code == 200
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    async with joined(url) as newcomer:
        assert newcomer.text() == ann.text()
    for editor in (ann, ben):
        await editor.disconnect()
