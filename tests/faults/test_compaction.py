"""A running server compacts under its clients: those here, those who were away, those who come."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.editor import Editor
from tests.support.raw import joined

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.support.node import NodeDriver
    from tests.support.server import Server

RECORDS_MIN = 20
KEYS_MAX = 5000


def bases(server: Server) -> list[int]:
    """The numbers of the bases that are on disk."""
    with closing(sqlite3.connect(server.data_dir / "syncroom.db")) as connection:
        return [seq for (seq,) in connection.execute("SELECT seq FROM bases ORDER BY seq")]


async def type_until_compacted(server: Server, editor: Editor, times: int) -> None:
    """Type, delete a little, until the document was compacted so often."""
    before: set[int] = set()
    for number in range(KEYS_MAX):
        editor.insert(len(editor.text()), "abcdefgh "[number % 9])
        if number % 7 == 6:
            editor.delete(len(editor.text()) // 2, 2)
        await editor.flush()
        await editor.until_acknowledged()
        before.update(await asyncio.to_thread(bases, server))
        if len(before) >= times:
            return
    pytest.fail(f"{KEYS_MAX} keys, and compacted {len(before)} times:\n{server.logs()}")


@pytest.mark.parametrize("is_killed", [False, True])
async def test_everybody_agrees_across_compactions_and_restarts(
    start_server: ServerFactory, node: NodeDriver, is_killed: bool
) -> None:
    server = start_server(compaction_records_min=RECORDS_MIN)
    url = server.document_url("typed", server.token())
    ann, ben, cay = Editor(), Editor(), Editor()
    for editor in (ann, ben, cay):
        await editor.connect(url)
    ann.insert(0, "before 😀 anybody left ")
    await ann.flush()
    await cay.until(lambda: cay.text() == ann.text())
    await cay.disconnect()

    await type_until_compacted(server, ann, 2)
    cay.delete(3, 6)
    cay.insert(5, "written offline")
    await cay.come_back(url)
    await ann.until(lambda: "written offline" in ann.text())
    # What is acknowledged after it is on disk after it.
    ann.insert(0, "last ")
    await ann.flush()
    await ann.until_acknowledged()

    await ben.until(lambda: ben.text() == ann.text())
    await cay.until(lambda: cay.text() == ann.text())
    await asyncio.to_thread(server.kill if is_killed else server.terminate)
    for editor in (ann, ben, cay):
        await editor.disconnect()
    await asyncio.to_thread(server.start)
    async with joined(url) as newcomer:
        assert newcomer.text() == ann.text()
        stored = newcomer.of_kind("step2")[0].payload
    assert (await node.load(stored, texts=["text"]))["texts"]["text"] == ann.text()


async def test_a_document_that_was_compacted_and_left_is_read_from_its_base(
    start_server: ServerFactory,
) -> None:
    server = start_server(compaction_records_min=RECORDS_MIN, idle_document_s=0.05)
    url = server.document_url("typed", server.token())
    ann = Editor()
    await ann.connect(url)
    await type_until_compacted(server, ann, 1)
    await ann.disconnect()

    async with joined(url) as newcomer:
        assert newcomer.text() == ann.text()
