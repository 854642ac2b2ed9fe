"""``syncroom room service``: the programs that the server runs for a room."""

from __future__ import annotations

import json
from typing import Annotated, Any, NamedTuple

import typer

from syncroom.cli.room.base import As, command, group, show
from syncroom.client.room import RoomClient
from syncroom.errors import Malformed, NotFound

app = group("service", "The services of a room: how they are, and restart them.")

Id = Annotated[str | None, typer.Option("--id", help="The id of the service.")]
Name = Annotated[str | None, typer.Option("--name", help="Or its name.")]


class Service(NamedTuple):
    """One service: what is said of it, and how it is."""

    spec: dict[str, Any]
    state: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.state["service_id"])

    @property
    def name(self) -> str:
        return str(self.spec["metadata"]["name"])


@command(app, "list", "list --room demo --output json")
async def list_services(room: RoomClient, output: As = "text") -> None:
    """List services: the state of each, its id and its name."""
    found = await _list(room)
    lines = (f"{each.state['state']:<10}  {each.id}  {each.name}" for each in found)
    show([each._asdict() for each in found], output, lines)


@command(app, "describe", "describe --name agent --room demo")
async def describe(room: RoomClient, id: Id = None, name: Name = None, output: As = "json") -> None:
    """Show a service: what it is, its state and what happened to it."""
    found = await _find(room, id, name)
    state = dict(found.state)
    events = (f"{it['type']} {it['reason']}: {it['message']}" for it in state.pop("events", []))
    told = {"name": found.name, **state}
    show(found._asdict(), output, [*(f"{key}: {it}" for key, it in told.items()), *events])


@command(app, "restart", "restart --name agent --room demo")
async def restart(room: RoomClient, id: Id = None, name: Name = None) -> None:
    """End a service, if it runs, and start it again."""
    found = await _find(room, id, name)
    await room.call("services", "restart", {"service_id": found.id})


async def _list(room: RoomClient) -> list[Service]:
    answer = (await room.call("services", "list")).header["json"]
    specs = map(json.loads, answer["services_json"])
    return list(map(Service, specs, answer["service_states"]))


async def _find(room: RoomClient, id: str | None, name: str | None) -> Service:
    if (id is None) == (name is None):
        raise Malformed("give either --id or --name")
    for each in await _list(room):
        if each.id == id or (id is None and each.name == name):
            return each
    raise NotFound(f"there is no service {id or name!r}")
