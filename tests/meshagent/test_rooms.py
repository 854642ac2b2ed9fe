"""Rooms and tokens made with an API key, by the SDKs and on the command line."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from syncroom.auth.keys import encode_api_key
from syncroom.store.keys import KeyFile
from tests.meshagent.cli import PROJECT, CommandLine
from tests.meshagent.sdk import PYTHON, ROOT, need_python, room_url
from tests.support.driver import ClientError
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import ServerFactory
    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Sdk


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keyed")


@pytest.fixture(scope="module")
def key(data_dir: Path) -> str:
    """The API key of the server."""
    return encode_api_key(KeyFile(data_dir).add("tests", PROJECT))


@pytest.fixture(scope="module")
def server(data_dir: Path, key: str) -> Iterator[Server]:
    """A server with an API key."""
    server = Server(data_dir)
    server.start()
    yield server
    server.close()


@pytest.fixture
def cli(server: Server, key: str, tmp_path: Path) -> CommandLine:
    """The command line of somebody with the API key."""
    return CommandLine(server, tmp_path, MESHAGENT_API_KEY=key)


@pytest.fixture
def empty(start_server: ServerFactory, tmp_path: Path) -> tuple[Server, str]:
    """A server without any rooms, and its API key."""
    need_python()
    key = KeyFile(tmp_path / "data-0").add("backend", PROJECT)
    return start_server(), encode_api_key(key)


async def test_a_token_that_an_sdk_makes_with_an_api_key_lets_in(
    sdk: Sdk, server: Server, key: str, room: str
) -> None:
    token = await sdk.request("mint", name="ann", room=room, api_key=key)

    ann = await sdk.connect(room_url(server, room), token)

    assert ann.attributes["name"] == "ann"
    await ann.host("desk")
    assert set(await ann.toolkits()) == {"desk"}
    await ann.close()


async def test_an_sdk_makes_a_room_and_gets_a_way_in(
    sdk: Sdk, server: Server, key: str, room: str
) -> None:
    account = {"url": server.url, "project": PROJECT, "room": room, "api_key": key}

    way = await sdk.request("let_in", **account)
    ann = await sdk.connect(way["url"], way["token"])

    assert way["metadata"] == {"made": "here"}
    assert room in way["rooms"]
    assert ann.room == room
    await sdk.request("remove", **account)
    await ann.event("closed")
    with pytest.raises(ClientError):
        await sdk.request("remove", **account)


async def test_a_room_that_is_disabled_on_the_command_line_sends_everybody_away(
    python: Sdk, javascript: Sdk, join: Join, server: Server, cli: CommandLine, room: str
) -> None:
    ann = await join(python, "ann", server=server)
    ben = await join(javascript, "ben", server=server)

    await cli.run("rooms", "update", "--name", room, "--disabled")

    await ann.event("closed")
    await ben.event("closed")
    with pytest.raises(ClientError, match="RoomDisabledError"):
        await join(python, "ann", server=server)


async def test_a_room_is_made_listed_and_deleted_on_the_command_line(
    cli: CommandLine, server: Server, key: str, room: str
) -> None:
    url = f"{server.url}/accounts/projects/{PROJECT}/rooms/{room}"
    credentials = {"Authorization": f"Bearer {key}"}

    made = await cli.json("rooms", "create", room, "--no-owner", "--metadata", '{"a": 1}')
    listed = await cli.json("rooms", "list", "--all", "--output", "json")
    await cli.run("rooms", "delete", "--id", made["id"])

    assert made["metadata"] == {"a": 1} and made["enabled"]
    assert made in listed
    async with httpx.AsyncClient(headers=credentials, trust_env=False) as client:
        assert (await client.get(url)).status_code == 404


async def test_the_sdk_makes_lists_joins_disables_and_deletes_rooms(
    empty: tuple[Server, str],
) -> None:
    server, key = empty
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


async def test_with_a_key_the_command_line_comes_into_any_room(cli: CommandLine, room: str) -> None:
    listed = await cli.run("room", "messaging", "list", "--room", room)

    assert listed.endswith("\n[]\n")
