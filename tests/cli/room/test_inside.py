"""``syncroom room developer``, ``service``, ``secret`` and ``container``."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.room.support import RoomCommand, member
from tests.support.podman import IMAGE, Podman
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import ServerFactory


def test_who_watches_sees_what_is_logged(command: RoomCommand) -> None:
    lines = command.begin("developer", "watch", "--count", "1")
    objects = command.begin("developer", "watch", "--count", "1", "--output", "json")

    for watching in (lines, objects):
        while watching.poll() is None:  # the server's own entries are none that can be expected
            command.out("developer", "log", "--type", "deploy", "--data", '{"version": 2}')

    assert lines.communicate()[0].count(b"\n") == 1
    assert set(json.loads(objects.communicate()[0])) == {"type", "data"}
    assert "JSON object" in command.fails(2, "developer", "log", "--type", "x", "--data", "1")


async def test_entries_are_shown_as_lines(
    command: RoomCommand, shared_server: Server, room: str
) -> None:
    """The companion that another command line wants is not shown a second time."""
    async with member(shared_server, room) as ben:
        watching = asyncio.create_task(command.later("developer", "watch", "--count", "3"))
        while not watching.done():
            said = {"message": "it works", "extra": {"n": 1}}
            await ben.call("developer", "warning", said)

    lines = (await watching).splitlines()
    assert len(lines) == 3
    assert 'warning   it works  {"n": 1}' in lines
    assert not any(line.startswith("otel") for line in lines)


def test_services_are_listed_and_restarted(start_server: ServerFactory) -> None:
    server = start_server()
    server.terminate()
    idle = {"id": "idle", "room": "demo", "command": "x", "enabled": False}
    (server.data_dir / "services.yaml").write_text(json.dumps({"services": [idle]}))
    server.start()
    command = RoomCommand(server, "demo", scope="full")

    (listed,) = command.json("service", "list")
    described = json.loads(command.out("service", "describe", "--id", "idle"))

    assert listed["state"]["service_id"] == "idle"
    assert described == listed
    assert command.out("service", "list").split()[1] == "idle"
    name = listed["spec"]["metadata"]["name"]
    assert "disabled" in command.fails(1, "service", "restart", "--name", name)
    assert "'x'" in command.fails(3, "service", "restart", "--id", "x")
    assert "either" in command.fails(2, "service", "describe")


def test_secrets_are_kept_and_shown_to_their_owner(
    command: RoomCommand, shared_server: Server, room: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(b"\x00secret")

    command.out("secret", "set", "openai", "--file", str(tmp_path / "key"), "--type", "text/plain")
    piped = command.begin("secret", "set", "piped", "--delegated-to", "ben")
    assert piped.communicate(b"for ben") == (b"", b"")

    listed = command.json("secret", "list")
    assert [(it["id"], it["type"]) for it in listed if it["id"] == "openai"] == [
        ("openai", "text/plain")
    ]
    assert command.out("secret", "get", "openai") == "\x00secret"
    ben = RoomCommand(shared_server, room, scope="full", name="ben")
    assert ben.out("secret", "get", "piped", "--delegated-to", "ben") == "for ben"
    assert "no secret" in ben.fails(3, "secret", "get", "openai")
    command.out("secret", "delete", "openai")
    assert "no secret" in command.fails(3, "secret", "get", "openai")
    command.fails(3, "secret", "delete", "openai")


def test_a_server_without_an_engine_says_so(command: RoomCommand) -> None:
    assert command.json("container", "list", "--all") == []
    assert "container" in command.fails(1, "container", "run", "--image", "x")
    assert "NAME=TEXT" in command.fails(2, "container", "run", "--image", "x", "-e", "a")


class Engined(Server):
    """A server that has an engine for containers."""

    def __init__(self, data_dir: Path, engine: str) -> None:
        super().__init__(data_dir)
        self._engine = engine

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"SYNCROOM_BACKENDS__CONTAINER_ENGINE": self._engine}


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[RoomCommand]:
    """The command in a room of such a server."""
    engine = Podman()
    server = Engined(tmp_path / "data", engine.url)
    server.start()
    yield RoomCommand(server, "demo", scope="full")
    server.close()
    engine.close()


def test_containers_run_and_are_followed_and_stopped(
    contained: RoomCommand, tmp_path: Path
) -> None:
    run = ("container", "run", "--image", IMAGE, "--container-name", "work", "--env", "WHO=ann")
    script = ("--command", "sh -c 'echo $(cat /data/words) $WHO; sleep 1000'")

    (tmp_path / "words").write_text("hello")
    contained.out("storage", "put", str(tmp_path / "words"), "words")
    id = contained.out(*run, *script, "--mount-path", "/data").strip()
    following = contained.begin("container", "log", "--id", id, "--follow")
    assert following.stdout is not None
    assert following.stdout.readline() == b"hello ann\n"
    following.terminate()
    following.communicate()

    assert "hello ann\n" in contained.out("container", "log", "--id", id)
    inside = ("container", "exec", "--container-id", id, "--command")
    said = contained.run(*inside, "sh -c 'echo out; echo err >&2; exit 7'")
    assert said == (7, "out\n", "err\n")
    (listed,) = contained.json("container", "list")
    assert (listed["id"], listed["state"]) == (id, "RUNNING")
    assert "RUNNING" in contained.out("container", "list")
    contained.out("container", "stop", "--id", id, "--force")
    assert contained.json("container", "list") == []
    assert len(contained.json("container", "list", "--all")) == 1
    contained.out("container", "delete", "--id", id)
    for verb in ("log", "stop", "delete"):
        assert "no container" in contained.fails(3, "container", verb, "--id", id)
