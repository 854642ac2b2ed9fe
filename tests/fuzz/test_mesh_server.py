"""
Random, changed and well-formed hostile messages of the MeshAgent protocol against a running
server, an honest participant beside.

3,000 cases, or 300,000 with SYNCROOM_NIGHTLY=1. A case depends on its seed and number alone; the
seed stands in the name of the test, SYNCROOM_SEED chooses it.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.document.schemas import TODO
from tests.fuzz.attack import Attackers, Waits
from tests.fuzz.mesh_cases import make_case
from tests.protocol import craft
from tests.support import wire
from tests.support.again import unless_slow_again
from tests.support.member import Member, json_content

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.support.server import Server

CASES = 3000
CASES_AT_ONCE = 40
RUNS = 100 if os.environ.get("SYNCROOM_NIGHTLY") else 1
SEED = int(os.environ.get("SYNCROOM_SEED", "1"))

BUSY_S_MAX = 0.2
"""What an honest participant waits for the server; a busy machine or disk may add to that."""
MEMORY_GROWTH_MAX = 64 << 20
CLIENT = 5


class Probe:
    """An honest participant: it queues, calls what it hosts itself, and edits a document."""

    def __init__(self, server: Server, member: Member, other: Member) -> None:
        self.waits = Waits(server)
        self._member = member
        self._other = other
        self._clock = 0

    async def work(self) -> None:
        with self.waits.one():
            await self._talk()
            await self._type()
        for member in (self._member, self._other):
            member.received[:] = member.of_kind("connected")

    async def _talk(self) -> None:
        member = self._member
        queued = await member.invoke("queues.send", {"name": "honest", "message": {"n": 1}})
        assert queued.header == {"type": "empty"}
        received = await member.invoke("queues.receive", {"name": "honest"})
        assert received.header == json_content({"n": 1})
        echoed = await self._other.invoke("desk.echo", {"a": 1}, participant_id=member.id)
        assert echoed.header == json_content({"a": 1})

    async def _type(self) -> None:
        """Type one character, which the other one sees."""
        struct = craft.string("h")
        if self._clock:
            struct = craft.behind(craft.STRING, wire.string("h"), (CLIENT, self._clock - 1))
        update = craft.update(craft.section(CLIENT, self._clock, struct))
        self._clock += 1
        await self._member.edit("probe", update)
        await self._other.until(lambda: update in self._other.updates("probe"), "the character")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
async def test_hostile_participants_disturb_nobody(start_server: ServerFactory, seed: int) -> None:
    server = start_server(refusal_s=0.001, refusal_growth=1)
    await _besiege(server, -1)
    memory = server.peak_memory()

    await unless_slow_again(partial(_withstand, server, seed))

    assert "incident" not in server.logs()
    assert sys.platform != "linux" or server.peak_memory() - memory < MEMORY_GROWTH_MAX


async def _withstand(server: Server, seed: int) -> None:
    probe = await _besiege(server, seed)
    probe.waits.hold_to(BUSY_S_MAX)


async def _besiege(server: Server, seed: int) -> Probe:
    """In a room of its own."""
    room = f"room-{uuid4().hex}"
    url = f"{server.ws_url}/rooms/{room}?token="
    target = f"/rooms/{room}?token={server.token(room=room, name='mallory')}"
    attackers = Attackers(server, target, refusal=b"")
    async with (
        await Member.join(url + server.token(room=room, name="ann")) as member,
        await Member.join(url + server.token(room=room, name="ann")) as other,
    ):
        member.answers_calls = other.answers_calls = True
        await member.host("desk", "echo", public=False)
        for each in (member, other):
            await each.invoke("messaging.enable")
            await each.open("probe.page", "probe", schema=TODO)
        probe = Probe(server, member, other)
        await probe.work()
        for at in range(0, CASES, CASES_AT_ONCE):
            numbers = range(at, at + CASES_AT_ONCE)
            await attackers.send([make_case(seed, number, member.id) for number in numbers])
            await probe.work()
            assert server.is_alive(), f"cases {at} on: {server.logs()[-5000:]}"
    attackers.close()
    return probe
