"""``syncroom room queue``: the queues of a room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from syncroom.cli.options import print_json
from syncroom.cli.room.base import EXIT_NOT_FOUND, As, command, group, read_given, show
from syncroom.client.room import RoomClient
from syncroom.errors import NotFound

app = group("queue", "The queues of a room: send and receive messages.")

Queue = Annotated[str, typer.Option("--queue", help="The queue.")]


@command(app, "list", "list --room demo")
async def list_queues(room: RoomClient, output: As = "text") -> None:
    """List the queues: how many messages wait, and the name."""
    found = await _list(room)
    show(found, output, (f"{each['size']:>8}  {each['name']}" for each in found))


@command(app, "send", "send --queue jobs --json '{\"n\": 1}' --room demo")
async def send(
    room: RoomClient,
    queue: Queue,
    json: Annotated[str | None, typer.Option(help="The message, a JSON object.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json-file", "--file", "-f", help="A file that holds it.")
    ] = None,
    create: Annotated[bool, typer.Option(help="Make the queue where there is none.")] = True,
) -> None:
    """Put a message at the end of a queue; it is on disk when the command ends."""
    message = read_given(json, json_file, "json")
    await room.call("queues", "send", {"name": queue, "create": create, "message": message})


@command(app, "receive", "receive --queue jobs --wait --room demo")
async def receive(
    room: RoomClient,
    queue: Queue,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for one where there is none.")] = False,
) -> None:
    """Take the first message of a queue, and print it as JSON. Exit code 3: there is none."""
    asked = {"name": queue, "create": wait, "wait": wait}
    answer = await room.call("queues", "receive", asked)
    if answer.kind == "empty":
        typer.echo(f"syncroom: nothing waits in the queue {queue!r}", err=True)
        raise typer.Exit(EXIT_NOT_FOUND)
    print_json(answer.header["text" if answer.kind == "text" else "json"])


@command(app, "size", "size --queue jobs --room demo")
async def size(room: RoomClient, queue: Queue) -> None:
    """Print how many messages wait in a queue."""
    sizes = {each["name"]: each["size"] for each in await _list(room)}
    if queue not in sizes:
        raise NotFound(f"there is no queue {queue!r}")
    typer.echo(sizes[queue])


@command(app, "drain", "drain --queue jobs --room demo")
async def drain(room: RoomClient, queue: Queue) -> None:
    """Throw away the messages that nobody has received."""
    await room.call("queues", "drain", {"name": queue})


@command(app, "close", "close --queue jobs --room demo")
async def close(room: RoomClient, queue: Queue) -> None:
    """End a queue with its messages; who waits there is told that there is none."""
    await room.call("queues", "close", {"name": queue})


async def _list(room: RoomClient) -> list[dict[str, Any]]:
    answer = await room.call("queues", "list")
    found: list[dict[str, Any]] = answer.header["json"]["queues"]
    return found
