"""
``syncroom rooms``: make, list, disable and delete rooms, of a data folder while no server runs on
it or through a server.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncroom.cli.doc_source import at_rest
from syncroom.cli.options import As, Config, DataDir, Output, Url, print_json
from syncroom.cli.room_source import RemoteRooms, Room, RoomsAtRest, RoomSource
from syncroom.cli.token_report import printable
from syncroom.errors import Malformed, Misconfigured
from syncroom.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from typing import TypeVar

    T = TypeVar("T")

app = typer.Typer(
    name="rooms", help="Rooms: make, list, disable and delete them.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="The room.")]
Key = Annotated[
    str | None,
    typer.Option(
        help="The API key for that server.", envvar="SYNCROOM_API_KEY", show_default=False
    ),
]


@app.command(epilog="Example: syncroom rooms create demo --annotation team=blue")
def create(
    name: Name,
    metadata: Annotated[str, typer.Option(help="What to keep with it, a JSON object.")] = "{}",
    annotation: Annotated[
        list[str] | None, typer.Option(help="A text to keep with it.", metavar="NAME=TEXT")
    ] = None,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="Be content with one that is there.")
    ] = False,
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    key: Key = None,
    config: Config = None,
) -> None:
    """Make a room before anybody comes in."""
    room = {
        "name": name,
        "metadata": _object(metadata),
        "annotations": dict(map(_pair, annotation or [])),
    }
    _print(
        _run(
            lambda source: source.create(room, if_not_exists=if_not_exists),
            data_dir,
            url,
            key,
            config,
        ),
        output,
    )


@app.command("list", epilog="Example: syncroom rooms list --filter team-")
def list_rooms(
    contains: Annotated[str, typer.Option("--filter", help="A part of the name.")] = "",
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    key: Key = None,
    config: Config = None,
) -> None:
    """List rooms: when each was made, whether it is disabled, its name."""
    found = _run(lambda source: source.list(contains), data_dir, url, key, config)
    if output == "json":
        print_json(found)
        return
    for room in found:
        state = "enabled " if room["enabled"] else "disabled"
        typer.echo(printable(f"{room['created_at'][:19]}  {state}  {room['name']}"))


@app.command(epilog="Example: syncroom rooms get demo --output json")
def get(
    name: Name,
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    key: Key = None,
    config: Config = None,
) -> None:
    """Show a room, and whether somebody is in it."""
    _print(_run(lambda source: source.get(name), data_dir, url, key, config), output)


@app.command(epilog="Example: syncroom rooms disable demo")
def disable(
    name: Name,
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    key: Key = None,
    config: Config = None,
) -> None:
    """Close a room: whoever is in it has to leave, and nobody comes in until it is enabled."""
    _print(_run(lambda source: source.enable(name, False), data_dir, url, key, config), output)


@app.command(epilog="Example: syncroom rooms enable demo")
def enable(
    name: Name,
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    key: Key = None,
    config: Config = None,
) -> None:
    """Let people into a room again."""
    _print(_run(lambda source: source.enable(name, True), data_dir, url, key, config), output)


@app.command(epilog="Example: syncroom rooms delete demo --yes")
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    url: Url = None,
    key: Key = None,
    config: Config = None,
) -> None:
    """Delete a room with its documents. Whoever is in it has to leave."""
    if not yes:
        question = f"Delete room {name} with all of its documents for ever?"
        typer.confirm(printable(question), abort=True)
    _run(lambda source: source.delete(name), data_dir, url, key, config)
    typer.echo("deleted")


def _run(
    work: Callable[[RoomSource], Awaitable[T]],
    data_dir: Path | None,
    url: str | None,
    key: str | None,
    config: Path | None,
) -> T:
    async def run() -> T:
        async with _source(data_dir, url, key, config) as source:
            return await work(source)

    return asyncio.run(run())


@asynccontextmanager
async def _source(
    data_dir: Path | None, url: str | None, key: str | None, config: Path | None
) -> AsyncIterator[RoomSource]:
    """Where the rooms are that the options name."""
    if url is not None:
        if data_dir is not None:
            raise Misconfigured("give a data folder or a URL, not both")
        yield RemoteRooms(url, key)
        return
    settings = load_settings(config, data_dir=data_dir)
    async with at_rest(settings.data_dir, settings.limits) as source:
        yield RoomsAtRest(source.rooms)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Malformed('--metadata is a JSON object, as {"team": "blue"}')
    return value


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Malformed(f"--annotation is NAME=TEXT, not {text[:40]!r}")
    return name, value


def _print(room: Room, output: Output) -> None:
    if output == "json":
        print_json(room)
        return
    for name, value in room.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        typer.echo(printable(f"{name}: {text}"))
