"""``syncroom room connect``: programs that join by themselves."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from syncroom.auth.keys import encode_api_key
from syncroom.auth.scopes import ApiScope
from syncroom.auth.token import ParticipantToken
from syncroom.client.room import RoomClient
from syncroom.store.keys import KeyFile
from tests.cli.command import Command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.room.support import RoomCommand
    from tests.support.server import Server

PRINT = "import json, os; print(json.dumps(dict(os.environ)))"


def environment(command: RoomCommand, *options: str) -> dict[str, Any]:
    """What a program finds that is run."""
    running = command.begin("connect", *options, "--", sys.executable, "-c", PRINT)
    found: dict[str, Any] = json.loads(running.communicate()[0])
    return found


async def test_a_program_finds_what_it_needs_to_join(
    command: RoomCommand, shared_server: Server, room: str
) -> None:
    found = environment(command, "-e", "COLOUR=a=b", "--url", shared_server.ws_url)

    assert (found["MESHAGENT_API_URL"], found["MESHAGENT_ROOM"]) == (shared_server.url, room)
    assert found["MESHAGENT_ROOM_URL"] == shared_server.ws_url
    assert found["MESHAGENT_PROJECT_ID"] == "default"
    assert found["OPENAI_BASE_URL"].startswith(shared_server.url)
    assert found["OPENAI_API_KEY"] == found["MESHAGENT_TOKEN"]
    assert found["COLOUR"] == "a=b"
    async with RoomClient(found["MESHAGENT_API_URL"], room, found["MESHAGENT_TOKEN"]) as joined:
        assert joined.id


def test_a_program_may_be_somebody_of_its_own(command: RoomCommand, tmp_path: Path) -> None:
    key = KeyFile(tmp_path).add("laptop")
    own = ("--key", encode_api_key(key), "--identity", "bot")

    plain = environment(command, *own)
    narrow = environment(command, *own, "--role", "tool", "--meshagent-token", '{"queues": {}}')
    bare = environment(command, *own, "--template", "none", "-e", "A=b")

    tokens = [ParticipantToken.from_jwt_unchecked(it["MESHAGENT_TOKEN"]) for it in (plain, narrow)]
    assert [(each.name, each.role) for each in tokens] == [("bot", "agent"), ("bot", "tool")]
    assert [each.get_api_grant() for each in tokens] == [
        ApiScope.agent_default(),
        ApiScope.model_validate({"queues": {}}),
    ]
    assert plain["MESHAGENT_PROJECT_ID"] == key.project_id
    assert bare["A"] == "b"
    assert not [name for name in bare if name.startswith("MESHAGENT_")]


def test_the_exit_code_is_that_of_the_program(command: RoomCommand) -> None:
    running = command.begin("connect", "--", sys.executable, "-c", "raise SystemExit(7)")
    running.communicate()

    assert running.returncode == 7


def test_what_can_not_be_run_is_told(command: RoomCommand) -> None:
    run = ("--", "no-such-program")
    nobody = Command("room", SYNCROOM_ROOM="demo")

    assert "can't be run" in command.error("connect", *run)
    assert "--identity" in command.error("connect", "--role", "user", *run)
    assert "--key" in command.error("connect", "--identity", "bot", *run)
    assert "NAME=TEXT" in command.error("connect", "-e", "a", *run)
    assert "COMMAND" in command.error("connect")
    assert "--token" in nobody.error("connect", *run)
    assert "API key" in nobody.error("connect", "--key", "x", *run)
    key = ("--key", "ma-x", "--identity", "bot", "--meshagent-token", "all")
    assert "agentDefault" in nobody.error("connect", *key, *run)
