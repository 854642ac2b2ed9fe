"""``syncroom room agent``: the toolkits that participants host in a room."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import typer

from syncroom.cli.options import print_json
from syncroom.cli.room.base import As, command, group, read_object, show
from syncroom.client.room import RoomClient
from syncroom.protocol.meshagent import LIST_TOOLKITS

app = group("agent", "The toolkits that participants host in a room: list and call them.")

Host = Annotated[
    str | None, typer.Option("--participant-id", help="The participant that hosts it.")
]


@command(app, "list-toolkits", "list-toolkits --room demo --output json")
async def list_toolkits(room: RoomClient, participant_id: Host = None, output: As = "text") -> None:
    """List toolkits: the participant that hosts each, its name and its tools."""
    answer = await room.request(LIST_TOOLKITS, {"participant_id": participant_id})
    found = [{"name": name, **told} for name, told in answer.header["json"]["tools"].items()]
    lines = (f"{it['participant_id']}  {it['name']}: {', '.join(it['tools'])}" for it in found)
    show(found, output, lines)


@command(
    app, "invoke-tool", "invoke-tool --toolkit desk --tool ask --arguments '{\"n\": 1}' --room demo"
)
async def invoke_tool(
    room: RoomClient,
    toolkit: Annotated[str, typer.Option(help="The toolkit, a participant's or the room's own.")],
    tool: Annotated[str, typer.Option(help="The tool.")],
    arguments: Annotated[str, typer.Option(help="What it is given, a JSON object.")] = "{}",
    participant_id: Host = None,
    on_behalf_of_id: Annotated[
        str | None, typer.Option(help="The participant for whom it is called.")
    ] = None,
) -> None:
    """Call a tool, and print what it answers as JSON."""
    answer = await room.call(
        toolkit,
        tool,
        read_object(arguments, "--arguments"),
        participant_id=participant_id,
        on_behalf_of_id=on_behalf_of_id,
    )
    shown: dict[str, Any] = dict(answer.header)
    if answer.payload:
        shown["payload_base64"] = base64.b64encode(answer.payload).decode()
    print_json(shown)
