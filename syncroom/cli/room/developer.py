"""``syncroom room developer``: the log of a room."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from syncroom.cli.room.base import As, command, group, read_object
from syncroom.cli.token_report import printable
from syncroom.client.room import RoomClient

app = group("developer", "The log of a room: write it and follow it.")

_COMPANION = "otel."
"""What such types say stands in another entry as well."""


@command(app, "log", "log --type deploy --data '{\"version\": 2}' --room demo")
async def log(
    room: RoomClient,
    kind: Annotated[str, typer.Option("--type", help="The type of the entry.")],
    data: Annotated[str, typer.Option("--data", help="What it says, a JSON object.")],
) -> None:
    """Put an entry at the end of the log."""
    entry = {"type": kind, "data": read_object(data, "--data")}
    await room.call("developer", "log", entry)


@command(app, "watch", "watch --room demo")
async def watch(
    room: RoomClient,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many; without, at Ctrl-C.")
    ] = None,
    output: As = "text",
) -> None:
    """Print what is logged from now on, a line for each entry."""
    async with room.stream("developer", "logs") as stream:
        async for content in stream:
            kind, data = content.header["headers"]["type"], json.loads(content.payload or b"{}")
            if output == "json":
                typer.echo(json.dumps({"type": kind, "data": data}, ensure_ascii=False))
            elif not kind.startswith(_COMPANION):
                typer.echo(printable(f"{kind:<8}  {_said(data)}"))
            else:
                continue
            if count is not None:
                count -= 1
                if not count:
                    return


def _said(data: dict[str, Any]) -> str:
    """The message, and what else there is."""
    message = data.pop("message", None)
    rest = json.dumps(data, ensure_ascii=False) if data else ""
    return f"{message}  {rest}".rstrip() if isinstance(message, str) else rest
