"""``syncroom room secret``: what a participant keeps in a room and shows to nobody."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from syncroom.cli.room.base import As, command, group, show
from syncroom.cli.room.transfer import STANDARD, source, target
from syncroom.client.room import RoomClient
from syncroom.errors import NotFound
from syncroom.protocol.meshagent import binary_content

app = group("secret", "Secrets: keep, read and delete those of the token's holder.")

_PART_BYTES = 1 << 16

SecretId = Annotated[str, typer.Argument(metavar="ID", help="The id of the secret.")]
Delegated = Annotated[
    str | None, typer.Option("--delegated-to", help="Who may use it as well, by name.")
]


@command(app, "list", "list --room demo --output json")
async def list_secrets(room: RoomClient, output: As = "text") -> None:
    """List secrets, without what they are: id, type, and who else may use each."""
    found = (await room.call("secrets", "list_secrets")).header["json"]["secrets"]
    show(found, output, (f"{it['id']}  {it['type']}  {it['delegated_to'] or ''}" for it in found))


@command(app, "set", "set openai --file key.txt --room demo")
async def keep(
    room: RoomClient,
    id: SecretId,
    file: Annotated[str, typer.Option(help="The file that holds it; - reads stdin.")] = STANDARD,
    kind: Annotated[str | None, typer.Option("--type", help="What it is, a MIME type.")] = None,
    delegated_to: Delegated = None,
) -> None:
    """Keep a secret, in place of one with that id. It is never an argument, which others see."""
    data = b""
    async with source(file) as (read, _):
        while part := await read(_PART_BYTES):
            data += part
    headers = {"secret_id": id, "type": kind, "delegated_to": delegated_to, "has_data": True}
    await room.call("secrets", "set_secret", binary_content(headers, data))


@command(app, "get", "get openai --room demo")
async def get(room: RoomClient, id: SecretId, delegated_to: Delegated = None) -> None:
    """Print a secret."""
    asked = {"secret_id": id, "delegated_to": delegated_to}
    answer = await room.call("secrets", "get_secret", asked)
    if answer.kind == "empty":
        raise NotFound(f"there is no secret {id!r}")
    async with target(None) as write:
        await write(answer.payload)
    if sys.stdout.isatty():
        typer.echo()


@command(app, "delete", "delete openai --room demo")
async def delete(room: RoomClient, id: SecretId, delegated_to: Delegated = None) -> None:
    """Delete a secret."""
    await room.call("secrets", "delete_secret", {"id": id, "delegated_to": delegated_to})
