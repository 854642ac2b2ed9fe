"""
Random, changed and grammatical hostile messages against a running server, an honest writer beside.

10,000 cases, or 1,000,000 with SYNCROOM_NIGHTLY=1. A case depends on its seed and number alone,
``make_case(seed, number)``; the seed stands in the name of the test, SYNCROOM_SEED chooses it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.fuzz import readers
from tests.fuzz.attack import Attackers, Probe
from tests.fuzz.cases import make_case
from tests.fuzz.grammar import HONEST
from tests.support import wire
from tests.support.again import unless_slow_again
from tests.support.raw import RawClient, joined

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.support.node import NodeDriver
    from tests.support.server import Server

CASES = 10_000
CASES_A_DOCUMENT = 1000
CASES_AT_ONCE = 40
RUNS = 100 if os.environ.get("SYNCROOM_NIGHTLY") else 1
SEED = int(os.environ.get("SYNCROOM_SEED", "1"))
TAKEN_MIN = CASES // 10
"""Else nearly everything is refused at the door, and the tests prove little."""

BUSY_S_MAX = 0.1
"""What an honest writer waits for the server; a busy machine or disk may add to that."""
MEMORY_GROWTH_MAX = 64 << 20


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
async def test_hostile_messages_disturb_nobody_and_leave_documents_that_load(
    start_server: ServerFactory, node: NodeDriver, seed: int
) -> None:
    server = start_server(refusal_s=0.001, refusal_growth=1)
    await _warm_up(server)
    memory = server.peak_memory()
    texts: dict[str, str] = {}
    for first in range(0, CASES, CASES_A_DOCUMENT):
        path, text = await unless_slow_again(partial(_withstand, server, seed, first))
        texts[path] = text
    grown = server.peak_memory() - memory

    assert sys.platform != "linux" or grown < MEMORY_GROWTH_MAX
    assert "incident" not in server.logs()

    await asyncio.to_thread(server.restart)
    taken = 0
    for path, text in texts.items():
        async with joined(_url(server, path, "ann")) as newcomer:
            stored = newcomer.of_kind("step2")[0].payload
        taken += await readers.agree(stored, node, text)
    assert taken > TAKEN_MIN


async def _withstand(server: Server, seed: int, first: int) -> tuple[str, str]:
    """The path of a document that was attacked, and what was typed in it."""
    path = f"fuzzed/{uuid4().hex}"
    probe = await _besiege(server, seed, first, path)
    probe.waits.hold_to(BUSY_S_MAX)
    return path, probe.text()


async def _besiege(server: Server, seed: int, first: int, path: str) -> Probe:
    url = _url(server, path, "mallory")
    attackers = Attackers(server, url.removeprefix(server.ws_url))
    raw = await RawClient.open(_url(server, path, "ann"))
    raw.has_nothing = True
    await raw.send(wire.step1())
    await raw.first("step2")
    probe = Probe(raw, server, HONEST)
    await probe.type()
    for at in range(first, first + CASES_A_DOCUMENT, CASES_AT_ONCE):
        await attackers.send([make_case(seed, at + number) for number in range(CASES_AT_ONCE)])
        await probe.type()
        assert server.is_alive(), f"cases {at} to {at + CASES_AT_ONCE}: {server.logs()[-5000:]}"
    attackers.close()
    await raw.close()
    return probe


async def _warm_up(server: Server) -> None:
    """What a server takes once and for all is no growth."""
    await _besiege(server, -1, 10_000_000, "warm-up")


def _url(server: Server, path: str, name: str) -> str:
    return server.document_url(path, server.token(name=name))
