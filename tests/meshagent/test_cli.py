"""The MeshAgent command line, unmodified: messages, documents and toolkits of a room."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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


async def test_a_document_is_read_and_changed_on_the_command_line(
    python: Sdk, join: Join, cli: CommandLine
) -> None:
    ann = await join(python, "ann")
    await ann.open(PATH, PAGE, content={"page": {"blocks": [{"heading": {"title": "Plan"}}]}})
    patch = [{"op": "replace", "path": "/page/blocks/0/heading/title", "value": "Changed"}]

    read = await cli.json("room", "sync", "get", PATH)
    await cli.run("room", "sync", "update", PATH, "--patch", json.dumps(patch))

    assert read == {"page": {"blocks": [{"heading": {"title": "Plan"}}]}}
    await ann.content_is(PATH, {"page": {"blocks": [{"heading": {"title": "Changed"}}]}})


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
