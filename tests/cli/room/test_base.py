"""What holds for all commands of ``syncroom room``: who may ask, and how they end."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncroom.auth.keys import encode_api_key
from syncroom.store.keys import KeyFile
from tests.cli.command import Command
from tests.cli.room.support import RoomCommand
from tests.docs.test_docs import COMMANDS

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.support.server import Server

VERBS: dict[str, list[tuple[str, ...]]] = {
    "storage": [
        ("ls",),
        ("exists", "a"),
        ("stat", "a"),
        ("get", "a"),
        ("put", __file__, "a"),
        ("cp", __file__, "room://a"),
        ("rm", "a"),
        ("mv", "a", "b"),
        ("url", "a"),
        ("presign", "a"),
    ],
    "queue": [
        ("list",),
        ("send", "--queue", "q", "--json", "{}"),
        ("send-mail", "--queue", "q", "--subject", "a", "--from", "a@example.org"),
        *((verb, "--queue", "q") for verb in ("receive", "size", "drain", "close")),
    ],
    "messaging": [
        ("list",),
        ("send", "--to-participant-id", "x", "--type", "t", "--data", "{}"),
        ("broadcast", "--data", "{}"),
        ("listen",),
    ],
    "agent": [
        ("list-toolkits",),
        ("invoke-tool", "--toolkit", "desk", "--tool", "ask"),
        ("call", "--agent-url", "http://127.0.0.1:9/", "--participant-name", "bot"),
    ],
    "sync": [
        ("create", "a"),
        *((verb, "a") for verb in ("get", "inspect")),
        ("grep", "a", "x"),
        ("update", "a", "--patch", "[]"),
        ("import", "--file", str(Path(__file__).with_name("empty.json"))),
    ],
    "developer": [("log", "--type", "t", "--data", "{}"), ("watch",)],
    "service": [("list",), ("describe", "--id", "s"), ("restart", "--id", "s")],
    "secret": [("list",), ("set", "s", "--file", __file__), ("get", "s"), ("delete", "s")],
    "container": [
        ("list",),
        ("run", "--image", "x"),
        ("exec", "--container-id", "c"),
        *((verb, "--id", "c") for verb in ("log", "stop", "delete")),
    ],
    "container image": [
        ("list",),
        ("inspect", "--image-id", "x"),
        ("pull", "--tag", "x"),
        ("delete", "--image", "x"),
    ],
}
ALL = [(*group.split(), *verb) for group, verbs in VERBS.items() for verb in verbs]


def test_every_command_is_among_them() -> None:
    names = {name for name in COMMANDS if name.startswith("syncroom room ")}
    names.remove("syncroom room connect")  # which does not join

    assert names == {f"syncroom room {it} {verb}" for it in VERBS for verb, *_ in VERBS[it]}
    assert all(f"Example: {name}" in (COMMANDS[name].epilog or "") for name in names)


@pytest.mark.parametrize(
    "arguments",
    [("agents", "list-toolkits"), ("services", "list"), ("container", "images", "list")],
    ids=" ".join,
)
def test_other_names_of_groups_are_understood(
    command: RoomCommand, arguments: tuple[str, ...]
) -> None:
    assert command.json(*arguments) == []


@pytest.mark.parametrize("arguments", ALL, ids=lambda each: " ".join(each[:3]))
def test_a_token_without_grants_is_denied(
    shared_server: Server, room: str, arguments: tuple[str, ...]
) -> None:
    stranger = RoomCommand(shared_server, room, scope={})

    told = stranger.fails(4, *arguments)

    assert "you do not have permission" in told or "does not permit" in told


def test_a_token_that_is_none_or_for_another_room_is_denied(
    shared_server: Server, room: str
) -> None:
    command = RoomCommand(shared_server, "elsewhere")

    assert "does not grant" in command.fails(4, "queue", "list", "--room", room)
    assert "JWT" in command.fails(4, "queue", "list", "--token", "x")


def test_what_says_where_and_who_has_to_be_said() -> None:
    nobody = Command("room", SYNCROOM_ROOM="demo")

    assert "--token" in nobody.error("queue", "list")
    assert "API key" in nobody.error("queue", "list", "--key", "x")
    assert "name of a room" in nobody.error("queue", "list", "--key", "x", "--room", "Team Blue")
    assert "--room" in Command("room").error("queue", "list")
    assert "'ftp://a'" in nobody.error("queue", "list", "--token", "x", "--url", "ftp://a")
    assert "no URL" in nobody.error("queue", "list", "--token", "x", "--url", "http://")


def test_an_api_key_is_enough(start_server: ServerFactory, tmp_path: Path) -> None:
    key = encode_api_key(KeyFile(tmp_path / "data-0").add("backend"))
    where = {"SYNCROOM_URL": start_server().url, "SYNCROOM_API_KEY": key}
    command = Command("room", "--room", "demo", **where)

    command.out("queue", "send", "--queue", "q", "--json", "{}")

    assert command.json("queue", "list") == [{"name": "q", "size": 1}]
    assert "signed=" in command.out("storage", "presign", "a", "--method", "PUT")


def test_a_server_that_is_not_there_or_goes_away_is_told(server: Server) -> None:
    command = RoomCommand(server, "demo")
    waiting = command.begin("queue", "receive", "--queue", "q", "--wait")
    while command.run("queue", "size", "--queue", "q").returncode:
        assert waiting.poll() is None
    server.kill()

    _, told = waiting.communicate()

    assert b"the connection to the room was lost" in told
    assert waiting.returncode == 5
    assert "can't be reached" in command.fails(5, "queue", "list")


@pytest.mark.parametrize(
    "arguments", [("messaging", "listen"), ("storage", "put", "-", "half")], ids=" ".join
)
def test_an_interrupt_ends_a_command_at_once_and_changes_nothing(
    command: RoomCommand, arguments: tuple[str, ...]
) -> None:
    running = command.begin(*arguments)
    assert running.stdout is not None and running.stdin is not None
    if arguments[0] == "messaging":
        assert b"messaging.enabled" in running.stdout.readline()
    else:
        running.stdin.write(bytes(4 << 20))  # more than a pipe holds: it is being read
        running.stdin.flush()

    running.send_signal(signal.SIGINT)

    assert running.wait(30) == 130
    assert running.communicate()[1] == b""
    assert command.json("storage", "ls") == []
