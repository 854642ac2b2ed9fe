"""
``kill -9`` at any moment: what was acknowledged is there after the next start, and all of it loads.

The acknowledgement of y-protocols is the echo: the server sends a client's update back to it once
it is on disk.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support import child, wire
from tests.support.editor import Editor
from tests.support.raw import joined

if TYPE_CHECKING:
    from tests.support.server import Server

ROUNDS = 20
NAMES = "abcd"


class Typist:
    """Types its own letter, again and again, and counts which letters were acknowledged."""

    def __init__(self, letter: str) -> None:
        self.letter = letter
        self.editor = Editor()

    async def type_until_cut(self, ahead: int, typed: asyncio.Semaphore) -> None:
        """Type with at most ``ahead`` letters on their way, until the connection is gone."""
        editor = self.editor
        try:
            while True:
                editor.insert(len(editor.text()), self.letter)
                await editor.flush()
                typed.release()
                await editor.until(lambda: len(editor.made) - editor.acknowledged < ahead)
        except (AssertionError, ConnectionClosed):
            # The server is gone: every round ends like this.
            await editor.socket.closed()
            editor.finish_hearing()
        finally:
            await editor.disconnect()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2))
async def test_no_acknowledged_update_is_lost_by_kills_at_random_points(
    server: Server, seed: int
) -> None:
    rng = random.Random(seed)
    token = server.token()
    typists = [Typist(letter) for letter in NAMES]
    for _ in range(ROUNDS // 2):
        typed = asyncio.Semaphore(0)
        url = server.document_url("typed", token)
        for typist in typists:
            await typist.editor.connect(url)
        typing = [
            asyncio.create_task(typist.type_until_cut(rng.randint(1, 8), typed))
            for typist in typists
        ]
        for _ in range(rng.randint(1, 150)):
            await typed.acquire()

        await asyncio.to_thread(server.kill)
        await asyncio.gather(*typing)
        await asyncio.to_thread(server.start)

        async with joined(server.document_url("typed", token)) as newcomer:
            text = newcomer.text()
            stored = newcomer.of_kind("step2")[0].payload
        for typist in typists:
            assert text.count(typist.letter) >= typist.editor.acknowledged
        assert await asyncio.to_thread(child.read_text, stored) == text


async def test_what_a_kill_took_comes_back_with_its_writer(server: Server) -> None:
    url = server.document_url("typed", server.token())
    ann = Editor()
    await ann.connect(url)
    for number in range(50):
        ann.insert(0, f"{number} ")
    await ann.flush()
    await asyncio.to_thread(server.kill)
    await ann.disconnect()
    await asyncio.to_thread(server.start)

    await ann.connect(url)
    await ann.until_acknowledged()

    async with joined(url) as newcomer:
        assert newcomer.text() == ann.text()
    await ann.disconnect()


async def test_an_acknowledged_deletion_survives_a_kill(server: Server) -> None:
    url = server.document_url("typed", server.token())
    ann = Editor()
    await ann.connect(url)
    ann.insert(0, "kept and deleted")
    ann.delete(4, 12)
    await ann.flush()
    await ann.until_acknowledged()

    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)

    async with joined(url) as newcomer:
        assert newcomer.text() == "kept"
    await ann.disconnect()


async def test_a_kill_in_the_middle_of_a_large_update_leaves_the_document_as_before(
    server: Server,
) -> None:
    url = server.document_url("typed", server.token())
    ann = Editor()
    await ann.connect(url)
    ann.insert(0, "kept")
    await ann.flush()
    await ann.until_acknowledged()
    large = Editor()
    large.insert(0, "0123456789" * 400_000)
    sending = asyncio.create_task(ann.socket.send(wire.update(large.made[0])))
    await asyncio.to_thread(server.kill)
    await asyncio.gather(sending, return_exceptions=True)
    await asyncio.to_thread(server.start)

    async with joined(url) as newcomer:
        assert newcomer.text() in ("kept", "kept" + large.text(), large.text() + "kept")
    await ann.disconnect()
