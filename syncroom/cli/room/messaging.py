"""``syncroom room messaging``: messages between those who are in a room."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

import typer

from syncroom.cli.room.base import As, command, group, read_object, show
from syncroom.client.room import RoomClient

app = group("messaging", "Messages: who gets them, send them, listen to them.")

EVENT = "messaging.send"
_ENABLED = "messaging.enabled"

Kind = Annotated[str, typer.Option("--type", help="The type of the message.")]
Data = Annotated[str, typer.Option("--data", help="The message, a JSON object.")]


@command(app, "list", "list --room demo")
async def list_participants(room: RoomClient, output: As = "text") -> None:
    """List who asked for messages: id, role and name."""
    found = await _enable(room)
    lines = (f"{each['id']}  {each['role']:<8}  {_name(each)}" for each in found)
    show(found, output, lines)


@command(app, "send", "send --to-participant-id ID --type note --data '{\"n\": 1}' --room demo")
async def send(
    room: RoomClient,
    to: Annotated[str, typer.Option("--to-participant-id", help="Who is to get it.")],
    kind: Kind,
    data: Data,
) -> None:
    """Send a message to one participant."""
    message = {"type": kind, "message_json": _object(data), "to_participant_id": to}
    await room.call("messaging", "send", message)


@command(app, "broadcast", "broadcast --data '{\"n\": 1}' --room demo")
async def broadcast(room: RoomClient, data: Data, kind: Kind = "chat.broadcast") -> None:
    """Send a message to all who asked for messages."""
    message = {"type": kind, "message_json": _object(data)}
    await room.call("messaging", "broadcast", message)


@command(app, "listen", "listen --room demo")
async def listen(
    room: RoomClient,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many; without, at Ctrl-C.")
    ] = None,
) -> None:
    """Print messages and who comes and goes, as they come, a line of JSON for each."""
    with room.events() as events:
        await room.call("messaging", "enable")
        async for event in events:
            if event.kind != EVENT:
                continue
            line = dict(event.header)
            if event.payload:
                line["attachment_base64"] = base64.b64encode(event.payload).decode()
            typer.echo(json.dumps(line, ensure_ascii=False))
            if line["type"] != _ENABLED and count is not None:
                count -= 1
                if not count:
                    return


async def _enable(room: RoomClient) -> list[dict[str, Any]]:
    """Ask for messages; who else did."""
    with room.events() as events:
        await room.call("messaging", "enable")
        async for event in events:
            if event.kind == EVENT and event.header["type"] == _ENABLED:
                found: list[dict[str, Any]] = event.header["message"]["participants"]
                return found
    return []


def _object(data: str) -> str:
    return json.dumps(read_object(data, "--data"))


def _name(entry: dict[str, Any]) -> str:
    return str(entry["attributes"].get("name", ""))
