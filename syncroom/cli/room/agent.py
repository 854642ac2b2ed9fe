"""``syncroom room agent``: the toolkits that participants host in a room, and agents elsewhere."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from syncroom.apis.agents import RESERVED
from syncroom.cli.options import print_json
from syncroom.cli.room.base import As, command, group, read_object, show
from syncroom.client.room import RoomClient
from syncroom.errors import Malformed, NotFound
from syncroom.protocol.meshagent import CALL_AGENT, LIST_TOOLKITS, Content, json_content

app = group("agent", "The toolkits that participants host in a room, and agents elsewhere.")

_LOOK_S = 0.5
"""Between looks whether somebody hosts a toolkit by now: servers don't tell."""

Host = Annotated[
    str | None, typer.Option("--participant-id", help="The participant that hosts it.")
]


@command(app, "list-toolkits", "list-toolkits --room demo --output json")
async def list_toolkits(room: RoomClient, participant_id: Host = None, output: As = "text") -> None:
    """List toolkits: the participant that hosts each, its name and its tools."""
    found = await _list(room, participant_id)
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
    wait_s: Annotated[
        float,
        typer.Option("--timeout", min=0, help="Seconds to wait until somebody hosts the toolkit."),
    ] = 0,
) -> None:
    """Call a tool, and print what it answers as JSON, or each part of an answer that streams."""
    given = json_content(read_object(arguments, "--arguments"))
    if wait_s and toolkit not in RESERVED:
        await _wait_for(room, toolkit, participant_id, wait_s)
    async with room.stream(
        toolkit,
        tool,
        arguments=given,
        participant_id=participant_id,
        on_behalf_of_id=on_behalf_of_id,
    ) as stream:
        async for content in stream:
            print_json(_shown(content))


@command(app, "call", "call --agent-url https://example.org/bot --participant-name bot --room demo")
async def call(
    room: RoomClient,
    agent_url: Annotated[str, typer.Option(help="Where it is, as the server reaches it.")],
    participant_name: Annotated[str, typer.Option(help="Its name in the room.")],
    kind: Annotated[
        Literal["agent", "tool", "toolkit", "schema"],
        typer.Argument(help="What it is; that makes no difference."),
    ] = "agent",
    arguments: Annotated[str, typer.Option(help="What it is told, a JSON object.")] = "{}",
    permissions: Annotated[
        Path | None,
        typer.Option(
            "--permissions",
            "-p",
            help="A JSON or YAML file whose `api` is the scope of its token; without, the usual.",
        ),
    ] = None,
) -> None:
    """Ask an agent elsewhere to join the room, with a token that grants no more than your own."""
    asked: dict[str, Any] = {"name": participant_name, "url": agent_url}
    asked["arguments"] = read_object(arguments, "--arguments")
    if permissions is not None:
        asked["api"] = _scope_in(permissions)
    await room.request(CALL_AGENT, asked)


async def _list(room: RoomClient, participant_id: str | None) -> list[dict[str, Any]]:
    answer = await room.request(LIST_TOOLKITS, {"participant_id": participant_id})
    return [{"name": name, **told} for name, told in answer.header["json"]["tools"].items()]


async def _wait_for(
    room: RoomClient, toolkit: str, participant_id: str | None, wait_s: float
) -> None:
    try:
        async with asyncio.timeout(wait_s):
            while True:
                if any(each["name"] == toolkit for each in await _list(room, participant_id)):
                    return
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise NotFound(f"nobody hosts the toolkit {toolkit!r}, after {wait_s:g} s") from None


def _shown(content: Content) -> dict[str, Any]:
    shown = dict(content.header)
    if content.payload:
        shown["payload_base64"] = base64.b64encode(content.payload).decode()
    return shown


def _scope_in(file: Path) -> dict[str, Any]:
    """The API scope in a token's definition; raises `Malformed`, `OSError`."""
    try:
        given = yaml.safe_load(file.read_bytes())
    except yaml.YAMLError:
        given = None
    scope = given.get("api") if isinstance(given, dict) else None
    if not isinstance(scope, dict):
        raise Malformed(f"{str(file)!r} has no `api`, as in api: {{messaging: {{}}}}")
    return scope
