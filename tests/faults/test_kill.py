"""
``kill -9`` at any moment: what was acknowledged is there after the next start, and all of it loads.

The acknowledgement of y-protocols is the echo: the server sends a client's update back to it once
it is on disk.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed

from syncroom.store.base import Record
from syncroom.store.database import Database
from tests.support import child, wire
from tests.support.again import hold_to, unless_slow_again
from tests.support.editor import Editor
from tests.support.raw import joined
from tests.support.server import Server

if TYPE_CHECKING:
    from pathlib import Path


KILLS = 1000 if "SYNCROOM_NIGHTLY" in os.environ else 100
SEEDS = 4
NAMES = "abcdefgh"


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


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_kills_at_random_points_lose_nothing_acknowledged_and_double_nothing(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    # In one row of kills the server is compacting most of the time.
    server = Server(tmp_path, compaction_records_min=20 if seed == 0 else 10_000)
    server.start()
    url = server.document_url("typed", server.token())
    typists = [Typist(letter) for letter in NAMES]
    for _ in range(KILLS // SEEDS):
        typed = asyncio.Semaphore(0)
        await asyncio.gather(*[typist.editor.connect(url) for typist in typists])
        typing = [
            asyncio.create_task(typist.type_until_cut(rng.randint(1, 8), typed))
            for typist in typists
        ]
        for _ in range(rng.randint(1, 150)):
            await typed.acquire()

        await asyncio.to_thread(server.kill)
        await asyncio.gather(*typing)
        await asyncio.to_thread(server.start)

        async with joined(url) as newcomer:
            text = newcomer.text()
            stored = newcomer.of_kind("step2")[0].payload
        for typist in typists:
            made = len(typist.editor.made)
            assert typist.editor.acknowledged <= text.count(typist.letter) <= made
        assert len(text) == sum(map(text.count, NAMES))
    assert await asyncio.to_thread(child.read_text, stored) == text
    await asyncio.to_thread(server.close)


async def test_a_killed_server_with_100_mb_starts_within_2_s(tmp_path: Path) -> None:
    update = bytes(1000)
    database = Database(tmp_path)
    database.open()
    for _ in range(100):
        record = Record(1, "ada", (1,), (update,))
        paths = [f"{number}.md" for number in range(1000)]
        database.write([("demo", path, "0" * 32, record, None, False, "") for path in paths])
    database.close()
    server = Server(tmp_path)
    server.start()
    ann = Editor()
    await ann.connect(server.document_url("typed", server.token()))
    ann.insert(0, "kept")
    await ann.flush()
    await ann.until_acknowledged()
    await ann.disconnect()

    async def restart() -> None:
        await asyncio.to_thread(server.kill)
        assert sum(server.stored_files().values()) > 100_000_000
        await asyncio.to_thread(server.start)
        # Time of a core, so that what else goes on here hardly counts. To load its modules takes a
        # server a second more, whatever the folder holds.
        hold_to(2.0, server.cpu_s())

    await unless_slow_again(restart)
    await asyncio.to_thread(server.close)


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
