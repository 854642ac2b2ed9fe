"""``syncroom room messaging`` and ``agent``: who is here, what they say, what they offer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from syncroom.protocol.meshagent import REGISTER_TOOLKIT
from tests.cli.room.support import RoomCommand, member

if TYPE_CHECKING:
    from tests.support.server import Server


async def test_messages_reach_those_who_asked_for_them(
    command: RoomCommand, shared_server: Server, room: str
) -> None:
    data = ("--data", '{"text": "H\u00e4llo"}')
    async with member(shared_server, room) as ben:
        with ben.events() as events:
            await ben.call("messaging", "enable")
            listed = json.loads(await command.later("messaging", "list", "--output", "json"))
            line = await command.later("messaging", "list")
            to = ("--to-participant-id", ben.id)
            await command.later("messaging", "send", *to, "--type", "note", *data)
            await command.later("messaging", "broadcast", *data)
            came = []
            async for event in events:
                if event.header["type"] in ("note", "chat.broadcast"):
                    came.append((event.header["type"], event.header["message"]))
                if len(came) == 2:
                    break

    assert [(each["id"], each["attributes"]["name"]) for each in listed] == [(ben.id, "ben")]
    assert line.split() == [ben.id, "user", "ben"]
    assert came == [("note", {"text": "H\u00e4llo"}), ("chat.broadcast", {"text": "H\u00e4llo"})]


async def test_who_listens_sees_what_is_said(
    command: RoomCommand, shared_server: Server, room: str
) -> None:
    async with member(shared_server, room) as ben:
        with ben.events() as events:
            await ben.call("messaging", "enable")
            listening = asyncio.create_task(command.later("messaging", "listen", "--count", "1"))
            async for event in events:
                if event.header["type"] == "participant.enabled":
                    break
            said = {"type": "note", "message_json": '{"n": 1}', "attachment_base64": "aGk="}
            await ben.call("messaging", "broadcast", said)
            first, second = map(json.loads, (await listening).splitlines())

    assert first["type"] == "messaging.enabled"
    assert second == {
        "from_participant_id": ben.id,
        "type": "note",
        "message": {"n": 1},
        "attachment_base64": "aGk=",
    }


def test_a_message_to_nobody_or_that_is_none_is_refused(command: RoomCommand) -> None:
    send = ("messaging", "send", "--to-participant-id", "x", "--type", "note", "--data")

    assert "not found" in command.fails(3, *send, "{}")
    assert "JSON object" in command.fails(2, *send, "1")
    assert "JSON object" in command.fails(2, "messaging", "broadcast", "--data", "1")


async def test_toolkits_are_listed(command: RoomCommand, shared_server: Server, room: str) -> None:
    async with member(shared_server, room) as ben:
        toolkit = {"name": "desk", "tools": {"ask": {"title": "Ask"}}, "public": True}
        await ben.request(REGISTER_TOOLKIT, toolkit)
        listed = json.loads(await command.later("agent", "list-toolkits", "--output", "json"))
        line = await command.later("agent", "list-toolkits", "--participant-id", ben.id)

    assert [(each["name"], each["participant_id"]) for each in listed] == [("desk", ben.id)]
    assert line == f"{ben.id}  desk: ask\n"


def test_tools_are_called(command: RoomCommand) -> None:
    sent = '{"name": "q", "create": true, "message": {"n": 1}}'

    called = ("agent", "invoke-tool", "--toolkit", "queues", "--tool")
    empty = command.out(*called, "send", "--arguments", sent)
    answer = command.out(*called, "list")

    assert json.loads(empty) == {"type": "empty"}
    assert json.loads(answer)["json"] == {"queues": [{"name": "q", "size": 1}]}
    assert "no tool 'x'" in command.fails(3, *called, "x")
    nobody = ("agent", "invoke-tool", "--toolkit", "desk", "--tool", "ask")
    assert "no toolkit 'desk'" in command.fails(3, *nobody)
    assert "JSON object" in command.fails(2, *nobody, "--arguments", "1")
