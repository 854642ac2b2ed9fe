"""The MeshAgent command line, unmodified: messages, documents and toolkits of a room."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.meshagent.cli import CommandLine
from tests.meshagent.sdk import PAGE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Sdk
    from tests.support.server import Server

PATH = "notes/plan.page"


@pytest.fixture
def cli(shared_server: Server, room: str, tmp_path: Path) -> CommandLine:
    """The command line of somebody with a token for the test's room."""
    token = shared_server.token(room=room, name="cli")
    return CommandLine(shared_server, tmp_path, MESHAGENT_ROOM=room, MESHAGENT_TOKEN=token)


async def test_messages_of_the_command_line_reach_those_who_are_here(
    python: Sdk, join: Join, cli: CommandLine
) -> None:
    ann = await join(python, "ann", role="agent")
    await ann.enable()

    listed = await cli.json("room", "messaging", "list")
    data = json.dumps({"text": "H\u00e4llo"})
    sent = ("--to-participant-id", ann.id, "--type", "note", "--data", data)
    await cli.run("room", "messaging", "send", *sent)
    await cli.run("room", "messaging", "broadcast", "--data", data)

    assert listed == [{"id": ann.id, "role": "agent", "attributes": {"name": "ann"}}]
    await ann.message("note", {"text": "H\u00e4llo"})
    await ann.message("chat.broadcast", {"text": "H\u00e4llo"})


async def test_a_document_is_read_searched_and_changed_on_the_command_line(
    python: Sdk, join: Join, cli: CommandLine, tmp_path: Path
) -> None:
    sync = ("room", "sync")
    content = {"page": {"blocks": [{"heading": {"title": "Plan"}}]}}
    (tmp_path / "schema.json").write_text(json.dumps(PAGE))
    made = ("--schema", str(tmp_path / "schema.json"), "--json", json.dumps(content))
    await cli.run(*sync, "create", PATH, *made)
    ann = await join(python, "ann")
    await ann.open(PATH)
    patch = [{"op": "replace", "path": "/page/blocks/0/heading/title", "value": "Changed"}]

    read = await cli.json(*sync, "get", PATH)
    found = await cli.json(*sync, "grep", PATH, "pLAN", "--ignore-case", "--before", "1")
    [with_id] = await cli.json(*sync, "grep", PATH, "Plan", "--include-ids")
    schema = await cli.json(*sync, "inspect", PATH)
    await cli.run(*sync, "update", PATH, "--patch", json.dumps(patch))

    assert read == content
    assert found == content["page"]["blocks"]
    assert with_id["heading"]["$id"]
    assert schema == PAGE
    await ann.content_is(PATH, {"page": {"blocks": [{"heading": {"title": "Changed"}}]}})


async def test_conversations_are_imported_on_the_command_line(
    cli: CommandLine, tmp_path: Path
) -> None:
    said = {"uuid": "m", "sender": "human", "text": "Water?", "created_at": "2026-01-01T00:00:00Z"}
    id = "6f1f0a52-6a0c-4a5e-9b5e-0d2c3f1b2a11"
    exported = [{"uuid": id, "name": "Plants", "chat_messages": [said]}]
    (tmp_path / "conversations.json").write_text(json.dumps(exported))
    imported = ("room", "sync", "import", "--file", str(tmp_path / "conversations.json"))

    first, again = await cli.run(*imported), await cli.run(*imported)
    threads = await cli.json("room", "sync", "get", ".threads/anthropic/index.threadl")
    [found] = await cli.json("room", "sync", "grep", f".threads/anthropic/{id}.thread", "Water")

    assert "1 thread" in first and "skipped existing: 1" in again
    [entry] = threads["thread_list"]["threads"]
    assert (entry["thread"]["name"], entry["thread"]["path"]) == (
        "Plants",
        f".threads/anthropic/{id}.thread",
    )
    assert found["message"]["author_name"] == "human"


async def test_a_toolkit_is_listed_and_called_on_the_command_line(
    python: Sdk, join: Join, cli: CommandLine
) -> None:
    ann = await join(python, "ann")
    await ann.host("desk")

    listed = await cli.json("room", "agents", "list-toolkits")
    called = ("--toolkit", "desk", "--tool", "ask", "--arguments", '{"n": 1}', "--timeout", "0")
    answer = await cli.json("room", "agents", "invoke-tool", *called)

    assert [toolkit["name"] for toolkit in listed] == ["desk"]
    assert answer["json"]["arguments"] == {"n": 1}


async def test_an_agent_elsewhere_is_called_on_the_command_line(
    cli: CommandLine, room: str
) -> None:
    bodies: list[Any] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as agent:
        url = f"http://127.0.0.1:{agent.sockets[0].getsockname()[1]}/"
        called = ("--url", url, "--participant-name", "bot", "--arguments", '{"n": 1}')
        for where in ("--no-local", "--local"):  # the server asks the agent, or the command does
            await cli.run("room", "agents", "call", "tool", *called, where)

    assert [body["event"] for body in bodies] == ["room.call", "room.call"]
    assert [body["data"]["arguments"] for body in bodies] == [{"n": 1}, {"n": 1}]
    assert bodies[0]["data"]["room_name"] == room
