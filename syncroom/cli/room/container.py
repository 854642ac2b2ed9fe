"""``syncroom room container``: containers that run for a room."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import typer

from syncroom.cli.room import image
from syncroom.cli.room.base import As, command, group, read_pair, show
from syncroom.cli.room.image import Creds, credentials
from syncroom.cli.room.talk import talk
from syncroom.client.room import RoomClient
from syncroom.errors import Malformed
from syncroom.protocol.meshagent import binary_content

app = group("container", "Containers: run, list, follow and stop those of a room.")
app.add_typer(image.app, name="image")
app.add_typer(image.app, name="images", hidden=True)

Id = Annotated[str, typer.Option("--id", help="The container.")]


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
        list[str] | None,
        typer.Option(
            "--port",
            "-p",
            help="A port of it that is reached. On the engine's machine it is any, not HOST.",
            metavar="PORT[:HOST]",
        ),
    ] = None,
    cred: Creds = None,
    participant_name: Annotated[
        str | None, typer.Option(help="Who the agent in it is in the room.")
    ] = None,
    name: Annotated[str | None, typer.Option("--container-name", help="Its name.")] = None,
    mount_path: Annotated[
        str | None, typer.Option(help="Where copies of the room's files are in there.")
    ] = None,
    mount_subpath: Annotated[
        str | None, typer.Option(help="The folder of the room; without, all its files.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Nobody else reads its log or runs commands in it.")
    ] = False,
    template: Annotated[
        str, typer.Option(help="agent: with a token for the room in its environment; or none.")
    ] = "none",
) -> None:
    """Run a container, and print its id."""
    asked = {
        "image": image,
        "command": command_line,
        "working_dir": working_dir,
        "env": [{"key": name, "value": text} for name, text in map(read_pair, env or [])],
        "ports": list(map(_port, port or [])),
        "credentials": credentials(cred),
        "participant_name": participant_name,
        "name": name,
        "mounts": _mounts(mount_path, mount_subpath),
        "private": private,
        "template": template,
    }
    typer.echo((await _ask(room, "run", **asked))["container_id"])


@command(app, "log", "log --id ID --follow --room demo", "logs")
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
    command_line: Annotated[
        str | None, typer.Option("--command", help="The command; a shell without.")
    ] = None,
    tty: Annotated[
        bool, typer.Option("--tty", "-t", help="It runs on this terminal, as a shell does.")
    ] = False,
) -> None:
    """Run a command in a container, with the input and output of this one; so is its exit code.

    A terminal is no input without --tty.
    """
    raise typer.Exit(await talk(room, id, command_line, is_terminal=tty))


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


def _port(text: str) -> dict[str, int]:
    container, colon, host = text.partition(":")
    try:
        port = {"container_port": int(container)}
        return port | {"host_port": int(host)} if colon else port
    except ValueError:
        raise Malformed(f"--port is PORT or PORT:HOST, not {text[:40]!r}") from None


def _mounts(path: str | None, subpath: str | None) -> dict[str, Any] | None:
    if path is None and subpath is not None:
        raise Malformed("--mount-subpath is of what --mount-path mounts: give both")
    mount = {"path": path, "subpath": subpath, "read_only": True}
    return None if path is None else {"room": [mount]}
