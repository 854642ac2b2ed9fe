"""``syncroom room sync``: documents that follow a schema. What else there is: ``syncroom doc``."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from syncroom.cli.options import print_json
from syncroom.cli.room.base import command, group, read_given, read_object
from syncroom.client.room import RoomClient
from syncroom.protocol.meshagent import binary_content

app = group("sync", "Documents that follow a schema: make and show them.")

DocumentPath = Annotated[str, typer.Argument(metavar="PATH", help="The document.")]
Pretty = Annotated[bool, typer.Option("--pretty/--compact", help="Print JSON on several lines.")]


@command(app, "create", "create list.todo --schema todo.json --room demo")
async def create(
    room: RoomClient,
    path: DocumentPath,
    schema: Annotated[
        Path | None, typer.Option(help="A file with its schema; otherwise as its name ends.")
    ] = None,
    json: Annotated[str | None, typer.Option(help="What it begins with, a JSON object.")] = None,
    json_file: Annotated[Path | None, typer.Option(help="A file that holds it.")] = None,
) -> None:
    """Make a document where there is none."""
    asked: dict[str, Any] = {"path": path}
    if schema is not None:
        asked["schema"] = read_object(schema.read_text(), "--schema")
    if json is not None or json_file is not None:
        asked["json"] = read_given(json, json_file, "json")
    await room.call("sync", "create", asked)


@command(app, "get", "get list.todo --room demo")
async def get(room: RoomClient, path: DocumentPath, pretty: Pretty = True) -> None:
    """Print a document as JSON."""
    answer = await room.call("sync", "describe", {"path": path})
    _print(answer.header["json"], pretty)


@command(app, "inspect", "inspect list.todo --room demo")
async def inspect(room: RoomClient, path: DocumentPath, pretty: Pretty = True) -> None:
    """Print the schema of a document as JSON."""
    start = binary_content({"kind": "start", "path": path, "create": False})
    async with room.stream("sync", "open", start) as stream:
        first = await stream.receive()
    _print(first.header["headers"]["schema"], pretty)


def _print(value: Any, pretty: bool) -> None:
    if pretty:
        print_json(value)
    else:
        typer.echo(json_text.dumps(value, ensure_ascii=False, separators=(",", ":")))
