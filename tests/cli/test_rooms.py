"""``syncroom rooms``: the same on a folder at rest and through a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from syncroom.auth.keys import encode_api_key
from syncroom.store.blobs import Blobs
from syncroom.store.keys import KeyFile
from tests.cli.command import Command
from tests.support.raw import joined, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import ServerFactory
    from tests.support.server import Server


@pytest.fixture
def keyed(start_server: ServerFactory, tmp_path: Path) -> tuple[Server, Command]:
    """A server with a key, and the command that asks it."""
    key = KeyFile(tmp_path / "data-0").add("backend")
    server = start_server(refusal_s=0.2)
    where = {"SYNCROOM_URL": server.url, "SYNCROOM_API_KEY": encode_api_key(key)}
    return server, Command("rooms", **where)


def exercise(rooms: Command) -> None:
    """All that works in both ways."""
    options = ("--metadata", '{"a": [1]}', "--annotation", "team=blue", "--annotation", "x=")

    made = rooms.json("create", "demo", *options)

    expected = {"name": "demo", "metadata": {"a": [1]}, "annotations": {"team": "blue", "x": ""}}
    assert made == made | expected | {"enabled": True}
    assert "'demo' already" in rooms.error("create", "demo")
    assert rooms.json("create", "demo", "--if-not-exists") == made
    assert "name: b\n" in rooms.out("create", "b")
    assert [room["name"] for room in rooms.json("list")] == ["b", "demo"]
    assert rooms.json("list", "--filter", "EM") == [made]
    assert rooms.json("get", "demo") == made | {"status": "Unallocated"}
    assert rooms.json("disable", "demo") == made | {"enabled": False}
    (line,) = [line for line in rooms.out("list").splitlines() if line.endswith("  demo")]
    assert "disabled" in line
    assert rooms.json("enable", "demo") == made
    rooms.out("delete", "demo", stdin=b"n\n", code=1)
    assert rooms.json("get", "demo")["name"] == "demo"
    assert rooms.out("delete", "demo", stdin=b"y\n").endswith("deleted\n")
    assert rooms.out("delete", "b", "--yes") == "deleted\n"
    assert rooms.json("list") == []
    for command in ("get", "enable", "disable"):
        assert "there is no room 'demo'" in rooms.error(command, "demo")
    assert "there is no room 'demo'" in rooms.error("delete", "demo", "--yes")
    assert "name of a room" in rooms.error("create", "Not_a_name")
    assert "JSON object" in rooms.error("create", "c", "--metadata", "[]")
    assert "JSON object" in rooms.error("create", "c", "--metadata", "{")
    assert "NAME=TEXT" in rooms.error("create", "c", "--annotation", "no")


def test_rooms_of_a_folder_at_rest(server: Server) -> None:
    server.terminate()

    exercise(Command("rooms", "--data-dir", str(server.data_dir)))


def test_a_room_that_is_deleted_at_rest_takes_its_files(server: Server) -> None:
    server.terminate()
    rooms = Command("rooms", "--data-dir", str(server.data_dir))
    rooms.out("create", "demo")
    blob = Blobs(server.data_dir).path("demo", "blob")
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"a picture")

    rooms.out("delete", "demo", "--yes")

    assert not blob.exists()


def test_rooms_of_a_server(keyed: tuple[Server, Command]) -> None:
    exercise(keyed[1])


async def test_who_is_in_a_room_that_is_disabled_or_deleted_has_to_leave(
    keyed: tuple[Server, Command],
) -> None:
    server, rooms = keyed
    url = server.document_url("notes", server.token())
    async with joined(url) as editor:
        assert (await asyncio.to_thread(rooms.json, "get", "demo"))["status"] == "Allocated"
        await asyncio.to_thread(rooms.out, "disable", "demo")
        assert (await editor.closed())[0] == 4423
    server.restart()
    assert (await refusal(url))[1][0] == 4423
    await asyncio.to_thread(rooms.out, "enable", "demo")
    async with joined(url) as editor:
        await asyncio.to_thread(rooms.out, "delete", "demo", "--yes")
        assert (await editor.closed())[0] == 4404


def test_a_server_is_asked_with_a_key_and_not_beside_a_folder(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9"

    assert "give --key" in Command("rooms", SYNCROOM_URL=url).error("list")
    both = Command("rooms", "--data-dir", str(tmp_path), SYNCROOM_URL=url)
    assert "not both" in both.error("list")
    wrong = Command("rooms", "--key", "ma-nothing", SYNCROOM_URL=url)
    assert "API key has the form" in wrong.error("list")


def test_a_folder_that_is_not_there_or_in_use_is_told(server: Server, tmp_path: Path) -> None:
    missing = Command("rooms", "--data-dir", str(tmp_path / "nothing"))
    in_use = Command("rooms", "--data-dir", str(server.data_dir))

    assert "there is no data folder" in missing.error("list")
    assert "--url" in in_use.error("list")
