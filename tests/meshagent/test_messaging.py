"""Messages and presence between the SDKs: who is here, what they say, and what they carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.driver import ClientError

if TYPE_CHECKING:
    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Sdk

ATTACHMENT = bytes(range(256)) * 40


async def test_who_says_it_is_here_sees_who_is_and_is_seen(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    ann, ben = await join(one, "ann", role="agent"), await join(other, "ben")
    await ann.enable()
    assert await ann.participants() == []

    await ben.enable()

    await ann.sees("ben")
    assert await ann.participants() == [
        {"id": ben.id, "role": "user", "attributes": {"name": "ben"}}
    ]
    assert await ben.participants() == [
        {"id": ann.id, "role": "agent", "attributes": {"name": "ann"}}
    ]


async def test_who_leaves_or_hides_is_seen_no_more(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    ann, ben, carl = await join(one, "ann"), await join(other, "ben"), await join(other, "carl")
    for each in (ann, ben, carl):
        await each.enable()
    await ann.sees("ben")
    await ann.sees("carl")

    await ben.disable()
    await carl.close()

    await ann.sees_nobody()


async def test_attributes_reach_those_who_are_here_and_those_who_come(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    ann, ben, carl = await join(one, "ann"), await join(other, "ben"), await join(one, "carl")
    await ann.enable()
    await ben.enable()

    await ann.set("cursor", {"page": 3, "at": [1, None, "x"]})

    await ben.sees("ann", cursor={"page": 3, "at": [1, None, "x"]})
    await carl.enable()
    await carl.sees("ann", cursor={"page": 3, "at": [1, None, "x"]})


async def test_a_message_with_an_attachment_reaches_whom_it_is_for(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    ann, ben, carl = await join(one, "ann"), await join(other, "ben"), await join(other, "carl")
    for each in (ann, ben, carl):
        await each.enable()
    await ann.sees("ben")

    await ann.send("ben", "greeting", {"text": "H\u00e4llo"}, ATTACHMENT)
    await ann.send("ben", "greeting", {"text": "again"})
    await ann.broadcast("end", {})

    await ben.message("greeting", {"text": "H\u00e4llo"}, ATTACHMENT, sender=ann.id)
    await ben.message("greeting", {"text": "again"}, sender=ann.id)
    await carl.message("end", {})
    kinds = [e["message"]["kind"] for e in await carl.events() if e["event"] == "message"]
    assert "greeting" not in kinds


async def test_messages_arrive_in_the_order_sent(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")
    await ann.enable()
    await ben.enable()
    await ann.sees("ben")

    for number in range(20):
        await ann.send("ben", "number", {"number": number})

    await ben.message("number", {"number": 19})
    events = [e["message"] for e in await ben.events() if e["event"] == "message"]
    numbers = [m["message"]["number"] for m in events if m["kind"] == "number"]
    assert numbers == list(range(20))


async def test_a_broadcast_reaches_everybody_who_is_here_but_its_sender(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    ann, ben, carl = await join(one, "ann"), await join(other, "ben"), await join(one, "carl")
    for each in (ann, ben, carl):
        await each.enable()

    await ann.broadcast("news", {"number": 1}, b"attached")
    await ben.broadcast("end", {})

    await ben.message("news", {"number": 1}, b"attached", sender=ann.id)
    await carl.message("news", {"number": 1}, b"attached", sender=ann.id)
    await ann.message("end", {})
    kinds = [e["message"]["kind"] for e in await ann.events() if e["event"] == "message"]
    assert "news" not in kinds


async def test_a_message_to_oneself_arrives(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")
    await ann.enable()

    await ann.send("ann", "note", {"to": "self"})

    await ann.message("note", {"to": "self"}, sender=ann.id)


async def test_a_message_of_megabytes_arrives_whole(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")
    await ann.enable()
    await ben.enable()
    await ann.sees("ben")
    attachment = ATTACHMENT * 200

    await ann.send("ben", "large", {}, attachment)

    await ben.message("large", {}, attachment)


async def test_a_stream_of_messages_goes_both_ways(python: Sdk, join: Join) -> None:
    ann, ben = await join(python, "ann"), await join(python, "ben")
    await ann.enable()
    await ben.enable()
    await ann.sees("ben")

    replies = await ann.converse("ben", {"first": True}, {"number": 1}, {"number": 2})

    assert [reply["message"] for reply in replies] == [{"number": 1}, {"number": 2}]
    assert {reply["from"] for reply in replies} == {ben.id}
    await ben.event("stream_closed")


async def test_a_stream_that_is_not_wanted_is_refused(python: Sdk, join: Join) -> None:
    ann, ben = await join(python, "ann"), await join(python, "ben", accepts_streams=False)
    await ann.enable()
    await ben.enable()
    await ann.sees("ben")

    with pytest.raises(ClientError, match="not now"):
        await ann.converse("ben", {"first": True}, {"number": 1})
