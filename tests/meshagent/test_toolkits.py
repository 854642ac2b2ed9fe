"""Toolkits that one SDK hosts and another calls: once, and streamed in either direction."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.driver import ClientError

if TYPE_CHECKING:
    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Sdk

FILE = bytes(range(256)) * 20


def item(**values: Any) -> dict[str, Any]:
    return {"type": "json", "json": values}


async def test_a_toolkit_that_one_hosts_is_called_by_the_other(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    host, caller = await join(one, "host"), await join(other, "caller")
    await host.host("desk")

    found = await caller.toolkits()
    answer = await caller.ask("desk", number=1, deep={"a": [None, "\u00e4"]})

    assert found["desk"]["participant"] == host.id
    assert "ask" in found["desk"]["tools"]
    assert answer["json"]["arguments"] == {"number": 1, "deep": {"a": [None, "\u00e4"]}}


async def test_a_host_is_told_who_calls(python: Sdk, sdk: Sdk, join: Join) -> None:
    host, caller = await join(python, "host"), await join(sdk, "caller")
    await host.host("desk")

    answer = await caller.ask("desk")

    assert answer["json"]["caller"] == caller.id


ANSWERS = [
    {"type": "text", "text": "H\u00e4llo"},
    {"type": "empty"},
    {"type": "link", "name": "a page", "url": "http://localhost/page"},
    {
        "type": "file",
        "name": "a.bin",
        "mime_type": "application/x-test",
        "data": base64.b64encode(FILE).decode(),
    },
]


@pytest.mark.parametrize("wanted", ANSWERS, ids=lambda content: content["type"])
async def test_an_answer_may_be_of_any_kind(
    pair: tuple[Sdk, Sdk], join: Join, wanted: dict[str, Any]
) -> None:
    one, other = pair
    host, caller = await join(one, "host"), await join(other, "caller")
    await host.host("desk")

    answer = await caller.ask("desk", reply=wanted)

    assert answer == wanted


async def test_one_may_call_what_one_hosts(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")
    await ann.host("desk", public=False)

    answer = await ann.ask("desk", number=2)

    assert answer["json"]["arguments"] == {"number": 2}


async def test_what_a_tool_raises_reaches_its_caller(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    host, caller = await join(one, "host"), await join(other, "caller")
    await host.host("desk")

    with pytest.raises(ClientError, match="out of ink"):
        await caller.ask("desk", fail="out of ink")


async def test_a_toolkit_that_nobody_hosts_is_not_found(sdk: Sdk, join: Join) -> None:
    caller = await join(sdk, "caller")

    with pytest.raises(ClientError) as missing:
        await caller.ask("nobodys")

    assert missing.value.code == 1003


async def test_a_private_toolkit_is_only_for_those_who_name_its_host(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    host, caller = await join(one, "host"), await join(other, "caller")
    await host.host("drawer", public=False)

    assert "drawer" in await host.toolkits()
    assert "drawer" not in await caller.toolkits()
    assert "drawer" in await caller.toolkits(of=host.id)
    assert (await caller.ask("drawer", of=host.id, number=3))["json"]["arguments"] == {"number": 3}
    with pytest.raises(ClientError):
        await caller.ask("drawer")


async def test_a_toolkit_goes_when_it_is_taken_back_or_its_host_leaves(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    host, caller = await join(one, "host"), await join(other, "caller")
    await host.host("desk")
    await host.host("drawer")

    await host.unhost("desk")
    assert set(await caller.toolkits()) == {"drawer"}

    await caller.enable()
    await host.enable()
    await caller.sees("host")
    await host.close()
    await caller.sees_nobody()
    assert await caller.toolkits() == {}


async def test_a_call_fails_when_its_host_leaves(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    host, caller = await join(one, "host"), await join(other, "caller")
    await host.host("desk")
    waiting = asyncio.create_task(caller.ask("desk", wait=True))
    await host.event("asked", arguments={"wait": True})

    await host.close()

    with pytest.raises(ClientError):
        await waiting


async def test_a_call_that_waits_holds_up_no_other(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    host, caller = await join(one, "host"), await join(other, "caller")
    await host.host("desk")
    waiting = asyncio.create_task(caller.ask("desk", wait=True))
    await host.event("asked", arguments={"wait": True})

    answers = await asyncio.gather(*(caller.ask("desk", number=n) for n in range(10)))

    assert [answer["json"]["arguments"]["number"] for answer in answers] == list(range(10))
    await host.close()
    with pytest.raises(ClientError):
        await waiting


async def test_output_may_be_a_stream(python: Sdk, join: Join) -> None:
    host, caller = await join(python, "host"), await join(python, "caller")
    await host.host("desk")

    call = caller.call("desk", "count", item(below=3))

    assert [await call.get() for _ in range(4)] == [*(item(number=n) for n in range(3)), None]


async def test_input_may_be_a_stream(python: Sdk, join: Join) -> None:
    host, caller = await join(python, "host"), await join(python, "caller")
    await host.host("desk")

    call = caller.call("desk", "collect")
    for number in range(3):
        await call.put(item(number=number))
    await call.put(None)

    assert await call.answer() == item(items=[{"number": n} for n in range(3)])


async def test_input_and_output_may_both_be_streams(python: Sdk, sdk: Sdk, join: Join) -> None:
    host, caller = await join(python, "host"), await join(sdk, "caller")
    await host.host("desk")
    call = caller.call("desk", "echo")
    said = [
        item(number=1),
        {"type": "text", "text": "two"},
        {"type": "binary", "headers": {"n": 3}, "data": base64.b64encode(FILE).decode()},
    ]

    for content in said:
        await call.put(content)
        assert await call.get() == content
    await call.put(None)

    assert await call.get() is None


async def test_a_stream_ends_when_its_host_leaves(python: Sdk, sdk: Sdk, join: Join) -> None:
    host, caller = await join(python, "host"), await join(sdk, "caller")
    await host.host("desk")
    call = caller.call("desk", "echo")
    await call.put(item(number=1))
    await call.get()

    await host.close()

    with pytest.raises(ClientError):
        await call.get()
    await call.put(None)
