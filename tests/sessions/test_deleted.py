"""A deleted document stays deleted: who comes back with it is told, and brings nothing back."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.editor import Editor
from tests.support.node import VERSIONS
from tests.support.raw import joined

if TYPE_CHECKING:
    from tests.support.node import NodeDriver
    from tests.support.server import Server


async def delete(server: Server, path: str) -> None:
    request = urllib.request.Request(
        f"{server.url}/api/rooms/demo/documents/{path}",
        method="DELETE",
        headers={"Authorization": f"Bearer {server.token()}"},
    )
    answer = await asyncio.to_thread(urllib.request.urlopen, request)
    answer.close()


async def comes_back(editor: Editor, url: str) -> int | None:
    """The code that an editor is closed with which brings what it has."""
    with pytest.raises(AssertionError):
        await editor.connect(url)
    code, reason = await editor.socket.closed()
    assert "was deleted" in reason
    await editor.disconnect()
    return code


@pytest.mark.parametrize("is_compacted", [False, True])
async def test_who_has_a_deleted_document_does_not_bring_it_back(
    server: Server, is_compacted: bool
) -> None:
    url = server.document_url("notes", server.token())
    ann, ben = Editor(), Editor()
    for editor, text in ((ann, "from ann "), (ben, "from ben ")):
        await editor.connect(url)
        editor.insert(0, text)
        await editor.flush()
        await editor.until_acknowledged()
    await ben.disconnect()
    if is_compacted:
        await compact(server)

    await delete(server, "notes")
    assert (await ann.socket.closed())[0] == 4404
    await ann.disconnect()

    assert await comes_back(ann, url) == 4404
    async with joined(url) as newcomer:
        assert newcomer.text() == ""
    new = Editor()
    await new.connect(url)
    new.insert(0, "begun anew")
    await new.flush()
    await new.until_acknowledged()
    await asyncio.to_thread(server.restart)
    ben.insert(0, "offline ")
    assert await comes_back(ben, url) == 4404
    await new.disconnect()
    await new.connect(url)
    async with joined(url) as newcomer:
        assert newcomer.text() == new.text() == "begun anew"
    await new.disconnect()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_published_provider_that_dials_again_brings_nothing_back(
    server: Server, node: NodeDriver, version: int
) -> None:
    token = server.token()
    ann = await node.open(server.yjs_url("demo"), "notes", version=version, token=token)
    await ann.synced()
    async with joined(server.document_url("notes", token)) as reader:
        await ann.insert(0, "from ann")
        await reader.until(lambda: reader.text() == "from ann", "the text")

    await delete(server, "notes")
    await ann.disconnect()
    await ann.connect()
    told = "the document that you have was deleted; a new one begins empty"
    await ann.event(type="denied", reason=told)

    async with joined(server.document_url("notes", token)) as newcomer:
        assert newcomer.text() == ""
    await ann.close()


async def test_what_is_imported_again_is_welcome_and_so_is_who_has_it(server: Server) -> None:
    url = server.document_url("notes", server.token())
    ann = Editor()
    await ann.connect(url)
    ann.insert(0, "kept")
    await ann.flush()
    await ann.until_acknowledged()
    await ann.disconnect()
    await delete(server, "notes")

    request = urllib.request.Request(
        f"{server.url}/api/rooms/demo/documents/notes?format=update",
        ann.doc.get_update(),
        {"Authorization": f"Bearer {server.token()}"},
        method="PUT",
    )
    (await asyncio.to_thread(urllib.request.urlopen, request)).close()

    await ann.connect(url)
    async with joined(url) as newcomer:
        assert newcomer.text() == "kept"
    await ann.disconnect()


async def compact(server: Server) -> None:
    token = server.token(scope="full")
    request = urllib.request.Request(
        f"{server.url}/api/rooms/demo/compact",
        b"",
        {"Authorization": f"Bearer {token}"},
        method="POST",
    )
    with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
        assert b'"refusal": null' in answer.read()
