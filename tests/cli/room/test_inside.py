"""``syncroom room developer``, ``service``, ``secret`` and ``container``."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import termios
from contextlib import closing
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
    told = command.out("service", "describe", "--id", "idle", "--output", "text")
    assert "service_id: idle\n" in told and "state: " in told
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
    run = ("container", "run", "--image", "x")
    assert "NAME=TEXT" in command.fails(2, *run, "-e", "a")
    assert "PORT:HOST" in command.fails(2, *run, "-p", "http")
    assert "NAME,PASSWORD" in command.fails(2, *run, "--cred", "a")
    assert "--mount-path" in command.fails(2, *run, "--mount-subpath", "a")
    assert "a terminal" in command.fails(2, "container", "exec", "--container-id", "c", "--tty")
    assert command.json("container", "image", "list") == []
    assert "container" in command.fails(1, "container", "image", "pull", "--tag", "x")


@pytest.fixture(scope="module")
def engined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has an engine for containers."""
    engine = Podman()
    data_dir = tmp_path_factory.mktemp("engined")
    server = Server(data_dir, backends={"container_engine": engine.url})
    server.start()
    yield server
    server.close()
    engine.close()


@pytest.fixture
def contained(engined: Server, room: str) -> Iterator[RoomCommand]:
    """The command in a room of such a server."""
    with closing(RoomCommand(engined, room, scope="full")) as command:
        yield command


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
    for verb in ("log", "logs", "stop", "delete"):
        assert "no container" in contained.fails(3, "container", verb, "--id", id)


def test_a_command_in_a_container_reads_what_comes_in_and_files_of_the_room(
    contained: RoomCommand, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("water")
    contained.out("storage", "put", str(tmp_path / "a.txt"), "notes/a.txt")
    run = ("container", "run", "--image", IMAGE, "--command", "sleep 1000", "--private")
    mounted = ("--mount-path", "/plans", "--mount-subpath", "notes")
    given = ("--port", "80:8080", "--cred", "ann,secret", "--participant-name", "bot")
    id = contained.out(*run, *mounted, *given).strip()
    inside = ("container", "exec", "--container-id", id, "--command")
    data = bytes(40 << 20)  # more than the server would keep of what nobody has read

    cat = contained.begin(*inside, "cat")
    deaf = contained.begin(*inside, "sh -c 'exit 3'")

    assert cat.communicate(data) == (data, b"")
    assert cat.returncode == 0
    assert deaf.wait() == 3  # it does not wait for the end of its input
    deaf.communicate()
    assert contained.out(*inside, "cat /plans/a.txt") == "water"
    assert contained.json("container", "list")[0]["ports"][0]["container_port"] == 80
    (image,) = contained.json("container", "image", "list")
    assert image["references"] == [IMAGE]
    assert contained.out("container", "images", "list").split() == [image["id"], IMAGE]
    inspected = json.loads(contained.out("container", "image", "inspect", "--image-id", IMAGE))
    assert inspected["image"]["id"] == image["id"]
    assert "all rooms" in contained.fails(1, "container", "image", "delete", "--image", IMAGE)


def test_a_shell_in_a_container_runs_on_the_terminal(contained: RoomCommand) -> None:
    run = ("container", "run", "--image", IMAGE, "--command", "sleep 1000")
    id = contained.out(*run).strip()
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    termios.tcsetwinsize(ours, (40, 100))
    shell = contained.begin("container", "exec", "--container-id", id, "-t", stdin=theirs)
    assert shell.stdout is not None
    output, shown = shell.stdout.fileno(), b""

    def type_until(line: bytes, expected: bytes) -> None:
        nonlocal shown
        while expected not in shown:
            if b"# " in shown:
                os.write(ours, line)
                shown = b""
            shown += os.read(output, 1 << 16)

    type_until(b"", b"# ")
    type_until(b"stty size\n", b"40 100")
    termios.tcsetwinsize(ours, (50, 120))
    shell.send_signal(signal.SIGWINCH)
    type_until(b"stty size\n", b"50 120")
    os.write(ours, b"\x03exit 5\n")

    assert shell.wait() == 5
    shell.communicate()
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
