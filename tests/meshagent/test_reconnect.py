"""A server that dies or restarts: the SDKs come back by themselves, with all that they had."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.faults.test_full_disk import full_disk
from tests.meshagent.sdk import PAGE
from tests.support.driver import WAIT_S
from tests.support.raw import joined

if TYPE_CHECKING:
    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import JSON, Participant, Sdk
    from tests.support.server import Server

PATH = "notes/plan.page"


def heading(title: str) -> JSON:
    return {"heading": {"title": title}}


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_everybody_comes_back_with_messages_toolkits_and_documents(
    python: Sdk, javascript: Sdk, join: Join, server: Server, end: str
) -> None:
    ann = await join(python, "ann", server=server)
    ben = await join(javascript, "ben", server=server)
    for each, desk in ((ann, "desk-of-ann"), (ben, "desk-of-ben")):
        await each.host(desk)
        await each.open(PATH, PAGE)
        await each.enable()
    await ann.set("mood", "calm")
    await ben.sees("ann", mood="calm")
    await ann.append(PATH, heading("before"))
    await ben.has_children(PATH, 1)
    await all_is_on_disk(ann)

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
    await ann.append(PATH, heading("after"))
    await ben.has_children(PATH, 2)
    await ben.append(PATH, heading("after that"))
    await ann.has_children(PATH, 3)
    assert await ann.content(PATH) == await ben.content(PATH)


async def all_is_on_disk(participant: Participant) -> None:
    """What a server had not written yet when it was killed, no SDK sends again."""
    await participant.create("notes/last.page", PAGE)


async def answers(caller: Participant, toolkit: str) -> None:
    """The toolkit is offered again a moment after its host is back."""
    async with asyncio.timeout(WAIT_S):
        while toolkit not in await caller.toolkits():
            pass
    assert (await caller.ask(toolkit, number=1))["json"]["arguments"] == {"number": 1}


async def test_what_was_written_while_the_server_was_away_is_not_lost(
    python: Sdk, join: Join, server: Server
) -> None:
    ann, ben = await join(python, "ann", server=server), await join(python, "ben", server=server)
    for each in (ann, ben):
        await each.open(PATH, PAGE)
    await ann.append(PATH, heading("before"))
    await ben.has_children(PATH, 1)
    await all_is_on_disk(ann)

    server.kill()
    await asyncio.gather(ann.event("disconnected"), ben.event("disconnected"))
    await ann.append(PATH, heading("while away"))
    server.start()

    await ben.has_children(PATH, 2)
    blocks = (await ben.content(PATH))["page"]["blocks"]
    assert blocks == [heading("before"), heading("while away")]


async def test_what_was_written_while_the_disk_was_full_is_not_lost_on_either_wire(
    python: Sdk, join: Join, server: Server, room: str
) -> None:
    ann = await join(python, "ann", server=server)
    await ann.open(PATH, PAGE)
    token = server.token(name="editor", room=room)
    async with joined(server.document_url(PATH, token, room)) as editor:
        with full_disk(server):
            while not await told(ann, "read_only"):
                await ann.append(PATH, heading("filling"))
            await ann.append(PATH, heading("while full"))
        while not await told(ann, "ready"):
            pass
        await ann.append(PATH, heading("after"))
        await all_is_on_disk(ann)
        await editor.until(lambda: b"while full" in b"".join(editor.updates()), "the edit")
    server.restart()
    ben = await join(python, "ben", server=server)
    opened = await ben.open(PATH, create=False)

    assert opened["content"] == await ann.content(PATH)
    assert opened["content"]["page"]["blocks"][-2:] == [heading("while full"), heading("after")]


async def told(participant: Participant, status: str) -> bool:
    """Whether it heard of a status of the room."""
    wanted = {"event": "room.status", "status": {"value": status}}
    return any(wanted.items() <= event.items() for event in await participant.events())
