"""SIGTERM in the middle of everybody's typing: the end is soon, orderly, and loses nothing."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.protocol import craft
from tests.server.local import RawSocket
from tests.support import wire
from tests.support.again import hold_to, unless_slow_again

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.support.server import Server

SESSIONS = 1000
DOCUMENTS = 100
LETTERS = 2 * SESSIONS
DRAIN_S_MAX = 10.0
"""The promise of ``docs/operations.md``."""

CLOSE, RESTART = 8, 1012


class Typist:
    """Types letter after letter, each when the one before is on disk, until it is sent away."""

    def __init__(self, client: int) -> None:
        self.client = client
        self.path = f"notes-{client % DOCUMENTS}"
        self.acknowledged = 0
        self.close_code = 0

    async def join(self, server: Server, token: str, stack: AsyncExitStack) -> dict[int, int]:
        """Open its document; how far the server has everybody's letters there."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        stack.callback(writer.close)
        self.raw = RawSocket(reader, writer)
        await self.raw.shake_hands(f"/yjs/demo/{self.path}?token={token}")
        await self.raw.say(wire.step1())
        messages = await self.raw.messages("step1")
        return next(wire.state_vector(each.payload) for each in messages if each.kind == "step1")

    async def type(self, typed: asyncio.Semaphore) -> None:
        while not self.close_code:
            section = craft.section(self.client, self.acknowledged, craft.string("x"))
            letter = wire.update(craft.update(section))
            await self.raw.say(letter)
            opcode, data = await self.raw.frame()
            while opcode != CLOSE and data != letter:
                opcode, data = await self.raw.frame()
            if opcode == CLOSE:
                self.close_code = int.from_bytes(data[:2], "big")
                self.raw.writer.close()
            else:
                self.acknowledged += 1
                typed.release()


@pytest.fixture
def many_files() -> None:
    """Every connection is an open file, here and in the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * SESSIONS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_sessions_that_type_are_drained_in_time_and_nothing_is_lost(
    start_server: ServerFactory,
) -> None:
    await unless_slow_again(partial(_drain, start_server))


async def _drain(start_server: ServerFactory) -> None:
    server = start_server()
    token = server.token()
    typists = [Typist(1 + number) for number in range(SESSIONS)]
    typed = asyncio.Semaphore(0)
    async with AsyncExitStack() as stack:
        for first in range(0, SESSIONS, DOCUMENTS):
            lot = typists[first : first + DOCUMENTS]
            await asyncio.gather(*(typist.join(server, token, stack) for typist in lot))
        typing = [asyncio.create_task(typist.type(typed)) for typist in typists]
        for _ in range(LETTERS):
            await typed.acquire()

        began = monotonic()
        code = await asyncio.to_thread(server.terminate)
        seconds = monotonic() - began
        await asyncio.gather(*typing)

        assert code == 0
        assert {typist.close_code for typist in typists} == {RESTART}

    await asyncio.to_thread(server.start)
    kept: dict[int, int] = {}
    async with AsyncExitStack() as stack:
        for reader in typists[:DOCUMENTS]:
            kept |= await reader.join(server, token, stack)
    lost = [each.client for each in typists if kept.get(each.client, 0) < each.acknowledged]
    assert lost == []
    hold_to(DRAIN_S_MAX, seconds)
