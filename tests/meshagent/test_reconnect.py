"""A server that dies or restarts: the SDKs come back by themselves, with all that they had."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.driver import WAIT_S

if TYPE_CHECKING:
    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Participant, Sdk
    from tests.support.server import Server


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_everybody_comes_back_with_messages_and_toolkits(
    python: Sdk, javascript: Sdk, join: Join, server: Server, end: str
) -> None:
    ann = await join(python, "ann", server=server)
    ben = await join(javascript, "ben", server=server)
    for each, desk in ((ann, "desk-of-ann"), (ben, "desk-of-ben")):
        await each.host(desk)
        await each.enable()
    await ann.set("mood", "calm")
    await ben.sees("ann", mood="calm")

    getattr(server, end)()
    await asyncio.gather(ann.event("disconnected"), ben.event("disconnected"))
    server.start()
    await asyncio.gather(ann.event("reconnected"), ben.event("reconnected"))

    await ben.sees("ann", mood="calm")
    await ann.sees("ben")
    await ann.send("ben", "note", {"after": True})
    await ben.message("note", {"after": True})
    await answers(ann, "desk-of-ben")
    await answers(ben, "desk-of-ann")


async def answers(caller: Participant, toolkit: str) -> None:
    """The toolkit is offered again a moment after its host is back."""
    async with asyncio.timeout(WAIT_S):
        while toolkit not in await caller.toolkits():
            pass
    assert (await caller.ask(toolkit, number=1))["json"]["arguments"] == {"number": 1}
