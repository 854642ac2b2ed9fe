"""``syncroom room container image``: the images that containers are made from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from syncroom.cli.options import print_json
from syncroom.cli.room.base import As, command, group, show
from syncroom.client.room import RoomClient
from syncroom.errors import Malformed

app = group("container image", "Images: list, inspect, pull and delete those of the engine.")

Creds = Annotated[
    list[str] | None,
    typer.Option(
        "--cred",
        help="Who pulls the image, at one registry or at all.",
        metavar="[HOST,]NAME,PASSWORD",
    ),
]


@command(app, "list", "list --room demo")
async def list_images(room: RoomClient, output: As = "text") -> None:
    """List images: the id of each, and its names."""
    found = (await room.call("containers", "list_images")).header["json"]["images"]
    show(found, output, (f"{it['id']}  {' '.join(it['references'])}" for it in found))


@command(app, "inspect", "inspect --image-id python:3.13 --room demo")
async def inspect(
    room: RoomClient, image_id: Annotated[str, typer.Option(help="The image, its id or a name.")]
) -> None:
    """Print what is known of an image as JSON."""
    answer = await room.call("containers", "inspect_image", {"image_id": image_id})
    print_json(answer.header["json"])


@command(app, "pull", "pull --tag python:3.13 --room demo")
async def pull(
    room: RoomClient,
    tag: Annotated[str, typer.Option(help="The image.")],
    cred: Creds = None,
) -> None:
    """Bring an image from its registry."""
    await room.call("containers", "pull_image", {"tag": tag, "credentials": credentials(cred)})


@command(app, "delete", "delete --image tools/words:2 --room demo")
async def delete(
    room: RoomClient,
    image: Annotated[str, typer.Option(help="The image, one that the room built.")],
) -> None:
    """Delete an image that was built in the room; all others are shared by all rooms."""
    await room.call("containers", "delete_image", {"image": image})


def credentials(options: list[str] | None) -> list[dict[str, Any]]:
    """What --cred says; raises `Malformed`."""
    return list(map(_credentials, options or []))


def _credentials(option: str) -> dict[str, Any]:
    *host, name, password = ["", *option.split(",")]
    if len(host) not in (1, 2) or not name or not password:
        raise Malformed("--cred is NAME,PASSWORD or HOST,NAME,PASSWORD")
    return {"registry": host[-1] or None, "username": name, "password": password}
