"""
Random, changed and grammatical hostile messages against a running server, an honest writer beside.

10,000 cases, or 1,000,000 with SYNCROOM_NIGHTLY=1. A case depends on its seed and number alone,
``make_case(seed, number)``; the seed stands in the name of the test, SYNCROOM_SEED chooses it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fuzz import readers
from tests.fuzz.attack import Attackers, Probe
from tests.fuzz.cases import make_case
from tests.fuzz.grammar import HONEST
from tests.support import wire
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
HANG_S_MAX = 5.0
MEMORY_GROWTH_MAX = 64 << 20


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
async def test_hostile_messages_disturb_nobody_and_leave_documents_that_load(
    start_server: ServerFactory, node: NodeDriver, seed: int
) -> None:
    server = start_server(refusal_s=0.001, refusal_growth=1)
    await _warm_up(server)
    memory = server.peak_memory()
    waits_s: list[float] = []
    busy_s: list[float] = []
    texts: list[str] = []
    for first in range(0, CASES, CASES_A_DOCUMENT):
        probe = await _besiege(server, seed, first)
        waits_s += probe.waits_s
        busy_s += probe.busy_s
        texts.append(probe.text())
    grown = server.peak_memory() - memory

    assert max(busy_s) < BUSY_S_MAX
    assert max(waits_s) < HANG_S_MAX
    assert sys.platform != "linux" or grown < MEMORY_GROWTH_MAX
    assert "incident" not in server.logs()

    await asyncio.to_thread(server.restart)
    taken = 0
    for number, text in enumerate(texts):
        async with joined(_url(server, number * CASES_A_DOCUMENT, "ann")) as newcomer:
            stored = newcomer.of_kind("step2")[0].payload
        taken += await readers.agree(stored, node, text)
    assert taken > TAKEN_MIN


async def _besiege(server: Server, seed: int, first: int) -> Probe:
    url = _url(server, first, "mallory")
    attackers = Attackers(server, url.removeprefix(server.ws_url))
    raw = await RawClient.open(_url(server, first, "ann"))
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
    await _besiege(server, -1, 10_000_000)


def _url(server: Server, first: int, name: str) -> str:
    return server.document_url(f"fuzzed/{first}", server.token(name=name))
