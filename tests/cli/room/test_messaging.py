"""``syncroom room messaging`` and ``agent``: who is here, what they say, what they offer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from syncroom.auth.token import ParticipantToken
from syncroom.protocol.meshagent import (
    CLOSE,
    HOST_CALL,
    OPEN,
    REGISTER_TOOLKIT,
    RESPONSE_CHUNK,
    json_content,
)
from tests.cli.room.support import RoomCommand, member

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Server

DESK = {"name": "desk", "tools": {"ask": {"title": "Ask"}}, "public": True}


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
        await ben.request(REGISTER_TOOLKIT, DESK)
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


async def test_a_toolkit_that_is_still_to_come_is_waited_for_and_may_stream(
    command: RoomCommand, shared_server: Server, room: str
) -> None:
    asked = ("--toolkit", "desk", "--tool", "ask", "--arguments", '{"n": 1}', "--timeout", "60")
    async with member(shared_server, room) as ben:
        with ben.events() as events:
            calling = asyncio.create_task(command.later("agent", "invoke-tool", *asked))
            await ben.request(REGISTER_TOOLKIT, DESK)
            async for event in events:
                if event.kind == f"{HOST_CALL}.desk":
                    break
            await ben.answer(event, OPEN)
            for content in (json_content({"n": 2}), json_content({"n": 3}), CLOSE):
                await ben._send(event.number, RESPONSE_CHUNK, {"chunk": content.header}, b"")
            printed = await calling

    assert event.header["arguments"]["json"] == {"n": 1}
    assert [each["json"] for each in _values(printed)] == [{"n": 2}, {"n": 3}]


def test_a_toolkit_that_does_not_come_is_told(command: RoomCommand) -> None:
    asked = ("agent", "invoke-tool", "--toolkit", "desk", "--tool", "ask", "--timeout", "0.1")

    assert "nobody hosts the toolkit 'desk'" in command.fails(3, *asked)


async def test_an_agent_elsewhere_is_called(
    command: RoomCommand, room: str, tmp_path: Path
) -> None:
    (tmp_path / "scope.yaml").write_text("identity: bot\napi: {messaging: {}}\n")
    bodies: list[Any] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as agent:
        url = f"http://127.0.0.1:{agent.sockets[0].getsockname()[1]}/"
        call = ("agent", "call", "--agent-url", url, "--participant-name", "bot")
        await command.later(*call, "--arguments", '{"n": 1}')
        await command.later(*call, "tool", "-p", str(tmp_path / "scope.yaml"))

    first, second = (body["data"] for body in bodies)
    assert (first["room_name"], first["arguments"]) == (room, {"n": 1})
    tokens = [ParticipantToken.from_jwt_unchecked(each["token"]) for each in (first, second)]
    assert [token.name for token in tokens] == ["bot", "bot"]
    scopes = [token.get_api_grant() for token in tokens]
    assert [scope and set(scope.to_json()) for scope in scopes][1] == {"messaging"}


def test_an_agent_that_is_none_is_told(command: RoomCommand, tmp_path: Path) -> None:
    call = ("agent", "call", "--participant-name", "bot", "--agent-url")
    nowhere = "http://127.0.0.1:9/"
    (tmp_path / "other.yaml").write_text("messaging: {}\n")
    (tmp_path / "none.yaml").write_text("{")

    assert "can't be reached" in command.fails(1, *call, nowhere)
    assert "no HTTP URL" in command.fails(2, *call, "ftp://a")
    assert "JSON object" in command.fails(2, *call, nowhere, "--arguments", "[]")
    for name in ("other", "none"):
        file = str(tmp_path / f"{name}.yaml")
        assert "has no `api`" in command.fails(2, *call, nowhere, "--permissions", file)


def _values(printed: str) -> list[Any]:
    """The JSON values that were printed, one after the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while printed[at:].strip():
        value, at = decoder.raw_decode(printed, at)
        found.append(value)
        at += 1
    return found
