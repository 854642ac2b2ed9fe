"""``syncroom room container``: containers that run for a room."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any
from uuid import uuid4

import typer

from syncroom.cli.room.base import As, command, group, show
from syncroom.client.room import RoomClient
from syncroom.errors import Malformed, Unavailable
from syncroom.protocol.meshagent import binary_content

app = group("container", "Containers: run, list, follow and stop those of a room.")

Id = Annotated[str, typer.Option("--id", help="The container.")]

_ERRORS, _STATUS, _END_OF_INPUT = 2, 3, 255


@command(app, "list", "list --all --room demo")
async def list_containers(
    room: RoomClient,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Also those that have ended.")
    ] = False,
    output: As = "text",
) -> None:
    """List containers: the state of each, its id, its image and its name."""
    found = (await _ask(room, "list_containers", all=everything))["containers"]
    lines = (f"{it['state']:<8}  {it['id']}  {it['image']}  {it.get('name') or ''}" for it in found)
    show(found, output, lines)


@command(app, "run", "run --image python:3.13 --command 'python -V' --room demo")
async def run(
    room: RoomClient,
    image: Annotated[str, typer.Option(help="What to run.")],
    command_line: Annotated[str | None, typer.Option("--command", help="The command.")] = None,
    working_dir: Annotated[str | None, typer.Option(help="Its folder in there.")] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", "-e", help="A variable.", metavar="NAME=TEXT")
    ] = None,
    port: Annotated[
        list[int] | None, typer.Option("--port", "-p", help="A port of it that is reached.")
    ] = None,
    name: Annotated[str | None, typer.Option("--container-name", help="Its name.")] = None,
    mount_path: Annotated[
        str | None, typer.Option(help="Where copies of the room's files are in there.")
    ] = None,
    template: Annotated[
        str, typer.Option(help="agent: with a token for the room in its environment; or none.")
    ] = "none",
) -> None:
    """Run a container, and print its id."""
    asked = {
        "image": image,
        "command": command_line,
        "working_dir": working_dir,
        "env": list(map(_pair, env or [])),
        "ports": [{"container_port": each} for each in port or []],
        "name": name,
        "mounts": {"room": [{"path": mount_path, "read_only": True}]} if mount_path else None,
        "template": template,
    }
    typer.echo((await _ask(room, "run", **asked))["container_id"])


@command(app, "log", "log --id ID --follow --room demo")
async def log(
    room: RoomClient,
    id: Id,
    follow: Annotated[bool, typer.Option(help="Also what it prints from now on.")] = False,
) -> None:
    """Print what a container has printed."""
    start = {"kind": "start", "request_id": uuid4().hex, "container_id": id, "follow": follow}
    async with room.stream("containers", "logs", binary_content(start)) as stream:
        async for content in stream:
            typer.echo(content.payload.decode(errors="replace").removesuffix("\n"))


@command(app, "exec", "exec --container-id ID --command 'ls /data' --room demo")
async def execute(
    room: RoomClient,
    id: Annotated[str, typer.Option("--container-id", help="The container.")],
    command_line: Annotated[str, typer.Option("--command", help="The command.")],
) -> None:
    """Run a command in a container, without input; its exit code is that of this one."""
    start = {"kind": "start", "request_id": uuid4().hex, "container_id": id}
    first = binary_content(start | {"command": command_line, "tty": False})
    end = binary_content({"kind": "input", "channel": _END_OF_INPUT})
    async with room.stream("containers", "exec", first, end) as stream:
        async for content in stream:
            channel = content.header["headers"]["channel"]
            if channel == _STATUS:
                raise typer.Exit(json.loads(content.payload)["status"])
            out = sys.stderr if channel == _ERRORS else sys.stdout
            out.buffer.write(content.payload)
            out.flush()
    raise Unavailable("the command ended without saying how")


@command(app, "stop", "stop --id ID --room demo")
async def stop(
    room: RoomClient,
    id: Id,
    force: Annotated[bool, typer.Option("--force", help="At once.")] = False,
) -> None:
    """Stop a container."""
    await room.call("containers", "stop_container", {"container_id": id, "force": force})


@command(app, "delete", "delete --id ID --room demo")
async def delete(room: RoomClient, id: Id) -> None:
    """Delete a container."""
    await room.call("containers", "delete_container", {"container_id": id})


async def _ask(room: RoomClient, tool: str, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await room.call("containers", tool, arguments)).header["json"]
    return answer


def _pair(text: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Malformed(f"--env is NAME=TEXT, not {text[:40]!r}")
    return {"key": name, "value": value}
