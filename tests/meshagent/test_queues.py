"""Queues of a room, used by both SDKs and the command line."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import pytest

from tests.meshagent.cli import CommandLine
from tests.support.driver import ClientError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Participant, Sdk
    from tests.support.server import Server


async def test_what_one_sends_the_other_receives_in_order(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")

    for number in range(3):
        await ann.queue("send", "work", message={"number": number, "deep": [None, "\u00e4"]})
    sizes = await ben.queue("list")
    received = [await ben.queue("receive", "work", wait=False) for _ in range(4)]

    assert sizes == {"work": 3}
    assert received == [*({"number": n, "deep": [None, "\u00e4"]} for n in range(3)), None]


async def test_who_waits_at_a_queue_gets_what_is_sent_later(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")
    await ben.queue("open", "work")
    waiting = asyncio.create_task(ben.queue("receive", "work", wait=True))
    # the connection answers other questions while it waits
    assert await ben.queue("list") == {"work": 0}

    await ann.queue("send", "work", message={"number": 1}, create=False)

    assert await waiting == {"number": 1}


async def test_a_queue_is_emptied_and_closed(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")
    await ann.queue("send", "work", message={"number": 1})

    await ann.queue("drain", "work")
    assert await ann.queue("list") == {"work": 0}
    await ann.queue("close", "work")

    assert await ann.queue("list") == {}
    with pytest.raises(ClientError) as missing:
        await ann.queue("send", "work", message={}, create=False)
    assert missing.value.code == 5001


async def test_a_queue_that_is_not_granted_is_denied(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann", scope={"queues": {"send": ["mine"]}})

    await ann.queue("send", "mine", message={})
    with pytest.raises(ClientError) as denied:
        await ann.queue("send", "theirs", message={})

    assert denied.value.code == 1001


async def test_a_queue_is_used_on_the_command_line(
    python: Sdk, join: Join, shared_server: Server, room: str, tmp_path: Path
) -> None:
    token = shared_server.token(room=room, name="cli")
    cli = CommandLine(shared_server, tmp_path, MESHAGENT_ROOM=room, MESHAGENT_TOKEN=token)
    ann = await join(python, "ann")

    queue, work = ("room", "queue"), ("--queue", "work")
    mail = ("--subject", "Plants", "--from", "ann@example.org", "--body", "Water them")

    await cli.run(*queue, "send", *work, "--json", '{"number": 1}')
    await cli.run(*queue, "send", *work, "--json", '{"number": 2}')
    await cli.run(*queue, "send-mail", *work, *mail)

    assert await ann.queue("receive", "work", wait=False) == {"number": 1}
    assert await cli.run(*queue, "size", *work) == "2\n"
    assert "'number': 2" in await cli.run(*queue, "receive", *work)
    received = await ann.queue("receive", "work", wait=False)
    assert b"Subject: Plants" in base64.b64decode(received["base64"])
    assert "did not contain" in await cli.run(*queue, "receive", *work, code=1)


async def test_two_that_race_for_a_queue_get_each_message_once(
    python: Sdk, javascript: Sdk, join: Join
) -> None:
    count = 60
    ann = await join(python, "ann")
    ben, cat = await join(python, "ben"), await join(javascript, "cat")
    racing = [asyncio.create_task(_receive_all(each)) for each in (ben, cat)]

    for number in range(count):
        await ann.queue("send", "work", message={"number": number})
    for _ in racing:
        await ann.queue("send", "work", message={"number": -1})
    shares = await asyncio.gather(*racing)

    assert sorted(number for share in shares for number in share) == list(range(count))
    assert all(share == sorted(share) for share in shares)


async def _receive_all(racer: Participant) -> list[int]:
    """What somebody receives until it is told that there is no more."""
    received = []
    while (message := await racer.queue("receive", "work", wait=True))["number"] >= 0:
        received.append(message["number"])
    return received


async def test_a_server_that_is_killed_loses_no_message_and_delivers_none_twice(
    python: Sdk, javascript: Sdk, join: Join, server: Server
) -> None:
    ann = await join(python, "ann", server=server)
    ben = await join(javascript, "ben", server=server)
    sent: list[int] = []
    received: list[int] = []

    async def send(first: int) -> None:
        for number in range(first, first + 1000):
            await ann.queue("send", "work", message={"number": number})
            sent.append(number)

    async def receive() -> None:
        while True:
            received.append((await ben.queue("receive", "work", wait=True))["number"])

    lives = 3
    for life in range(lives):
        working = [asyncio.create_task(send(1000 * life)), asyncio.create_task(receive())]
        while len(received) < 20 * (life + 1):
            await ben.queue("list")
        seen = [len(await each.events()) for each in (ann, ben)]
        server.kill()
        await asyncio.gather(*working, return_exceptions=True)
        server.start()
        for each, count in zip((ann, ben), seen, strict=True):
            await each.event("reconnected", count)
    while (message := await ben.queue("receive", "work", wait=False)) is not None:
        received.append(message["number"])

    assert len(received) == len(set(received))
    # at most once: of each life, one answer may have been on its way
    assert len(set(sent) - set(received)) <= lives
