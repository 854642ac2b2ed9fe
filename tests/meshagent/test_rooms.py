"""Rooms through the published SDK and command line, with an API key."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from syncroom.auth.keys import encode_api_key
from syncroom.store.keys import KeyFile
from tests.meshagent.cli import PROJECT, CommandLine
from tests.meshagent.sdk import PYTHON, ROOT, need_python

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import ServerFactory
    from tests.support.server import Server


@pytest.fixture
def keyed(start_server: ServerFactory, tmp_path: Path) -> tuple[Server, str]:
    """A server, and its API key."""
    need_python()
    key = KeyFile(tmp_path / "data-0").add("backend", PROJECT)
    return start_server(), encode_api_key(key)


async def test_the_sdk_makes_lists_joins_disables_and_deletes_rooms(
    keyed: tuple[Server, str],
) -> None:
    server, key = keyed
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-E", "-m", "tests.meshagent.rooms", server.url, key, PROJECT),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    told = json.loads(printed)

    room = told["made"]
    assert (room["name"], room["metadata"], room["annotations"]) == ("made", {"a": 1}, {"b": "c"})
    assert told["conflict"]
    assert (told["first"], told["total"], told["all"]) == (["made"], 2, ["made", "other"])
    assert told["status"] == "Unallocated"
    assert told["connected"]["room_url"] == f"{server.ws_url}/rooms/made"
    assert told["token"] == {"name": "ann", "role": "agent"}
    assert "disabled" in told["disabled"]
    assert told["left"] == ["other"]
    assert told["projects"] == [PROJECT]


async def test_the_command_line_makes_a_room_and_joins_it_with_a_key(
    keyed: tuple[Server, str], tmp_path: Path
) -> None:
    server, key = keyed
    cli = CommandLine(server, tmp_path, MESHAGENT_API_KEY=key)

    await cli.run("rooms", "create", "--no-owner", "cli-room")
    listed = await cli.run("room", "messaging", "list", "--room", "cli-room")

    assert listed.endswith("\n[]\n")
