"""``syncroom room storage``: the files of a room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from syncroom.cli.room.base import EXIT_NOT_FOUND, As, command, group, show
from syncroom.cli.room.transfer import STANDARD, progress, source, target
from syncroom.client.files import download, upload
from syncroom.client.room import RoomClient

app = group("storage", "The files of a room: list, read, write, move and delete them.")

FilePath = Annotated[str, typer.Argument(metavar="PATH", help="The path in the room.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]


@command(app, "ls", "ls notes --room demo")
async def list_files(
    room: RoomClient,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The folder.")] = "",
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="List all that lies below it.")
    ] = False,
    output: As = "text",
) -> None:
    """List a folder: when each file was changed, its size, its name; folders end in a slash."""
    found = await _list(room, path, recursive)
    show(found, output, map(_line, found))


@command(app, "exists", "exists notes/a.txt --room demo && echo there")
async def exists(room: RoomClient, path: FilePath) -> None:
    """Tell whether there is a file, a document or a folder: true, or false and the exit code 3."""
    is_there = await _ask(room, "exists", path=path)
    typer.echo("true" if is_there["exists"] else "false")
    if not is_there["exists"]:
        raise typer.Exit(EXIT_NOT_FOUND)


@command(app, "stat", "stat notes/a.txt --room demo --output json")
async def stat(room: RoomClient, path: FilePath, output: As = "text") -> None:
    """Show what is at a path. Exit code 3: nothing."""
    found = await _ask(room, "stat", path=path)
    if not found["exists"]:
        typer.echo(f"syncroom: there is nothing at {path!r}", err=True)
        raise typer.Exit(EXIT_NOT_FOUND)
    show(found, output, (f"{name}: {value}" for name, value in found.items() if name != "exists"))


@command(app, "get", "get notes/a.txt --room demo --to a.txt")
async def get(
    room: RoomClient,
    path: FilePath,
    to: Annotated[
        Path | None, typer.Option(help="The file to write; standard output without.")
    ] = None,
) -> None:
    """Download a file, or a document as JSON."""
    async with download(room, path) as file, target(to) as write:
        with progress(file.name, file.size) as advance:
            async for part in file.parts:
                await write(part)
                advance(len(part))


@command(app, "put", "put a.txt notes/a.txt --room demo --overwrite")
async def put(
    room: RoomClient,
    file: Annotated[str, typer.Argument(help="The file to send; - reads standard input.")],
    path: FilePath,
    overwrite: Overwrite = False,
    mime_type: Annotated[
        str | None, typer.Option(help="What it is; otherwise as its name ends.")
    ] = None,
) -> None:
    """Upload a file. It is there whole, and on disk, or as it was before."""
    async with source(file) as (read, size):
        with progress(path, size) as advance:

            async def read_on(count: int) -> bytes:
                part = await read(count)
                advance(len(part))
                return part

            await upload(room, path, read_on, size=size, mime_type=mime_type, overwrite=overwrite)


@command(app, "cp", "cp a.txt room://notes/a.txt --room demo")
async def copy(
    room: RoomClient,
    source_path: Annotated[str, typer.Argument(help="A file, or room://PATH.")],
    dest_path: Annotated[str, typer.Argument(help="A file, or room://PATH; one of both is.")],
) -> None:
    """Upload or download a file, replacing one that is there."""
    there, here = _in_room(source_path), _in_room(dest_path)
    if (there is None) == (here is None):
        raise typer.BadParameter("one path begins with room://, the other does not")
    if here is not None:
        await put(room, source_path, here, overwrite=True)
    else:
        await get(room, there or "", None if dest_path == STANDARD else Path(dest_path))


@command(app, "rm", "rm notes -r --room demo")
async def remove(
    room: RoomClient,
    path: FilePath,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="A folder, with all that lies in it.")
    ] = False,
) -> None:
    """Delete a file, a document or a folder."""
    await room.call("storage", "delete", {"path": path, "recursive": recursive})


@command(app, "mv", "mv notes/a.txt notes/b.txt --room demo")
async def move(
    room: RoomClient,
    source_path: Annotated[str, typer.Argument(help="What to move.")],
    dest_path: Annotated[str, typer.Argument(help="Its new path.")],
    overwrite: Overwrite = False,
) -> None:
    """Move a file or a folder."""
    paths = {"source_path": source_path, "destination_path": dest_path}
    await room.call("storage", "move", paths | {"overwrite": overwrite})


@command(app, "url", "url notes/a.txt --room demo")
async def url_of(
    room: RoomClient,
    path: FilePath,
    attachment: Annotated[
        bool, typer.Option("--attachment", help="Browsers save it rather than show it.")
    ] = False,
    output: As = "text",
) -> None:
    """Print a URL where whoever has it can download a file, for a while."""
    told = await _ask(room, "download_url", path=path, download=attachment)
    show(told, output, [told["url"]])


async def _ask(room: RoomClient, tool: str, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await room.call("storage", tool, arguments)).header["json"]
    return answer


async def _list(room: RoomClient, folder: str, recursive: bool) -> list[dict[str, Any]]:
    """The lines of a folder, with their paths."""
    found: list[dict[str, Any]] = []
    for line in (await _ask(room, "list", path=folder))["files"]:
        path = f"{folder.rstrip('/')}/{line['name']}".removeprefix("/")
        found.append({"path": path, **line})
        if recursive and line["is_folder"]:
            found += await _list(room, path, recursive)
    return found


def _line(line: dict[str, Any]) -> str:
    changed = line["updated_at"][:19].replace("T", " ")
    size = "" if line["size"] is None else line["size"]
    return f"{changed}  {size:>12}  {line['path']}{'/' if line['is_folder'] else ''}"


def _in_room(path: str) -> str | None:
    scheme = "room://"
    return path.removeprefix(scheme) if path.startswith(scheme) else None
