"""``syncroom room storage``: the files of a room."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from syncroom.cli.options import print_json
from syncroom.cli.remote import asking
from syncroom.cli.room import places
from syncroom.cli.room.base import EXIT_NOT_FOUND, As, command, group, show
from syncroom.cli.room.places import InRoom, in_room, place_of
from syncroom.cli.room.transfer import progress, source, target
from syncroom.client.files import download, upload
from syncroom.client.room import RoomClient
from syncroom.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable

app = group("storage", "The files of a room: list, read, write, copy, move and delete them.")

FilePath = Annotated[
    str, typer.Argument(metavar="PATH", help="The path in the room.", callback=in_room)
]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="A folder, with all that lies in it.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]


@command(app, "ls", "ls notes --room demo")
async def list_files(
    room: RoomClient,
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A folder, a file or a pattern.", callback=in_room),
    ] = "",
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="List all that lies below it.")
    ] = False,
    output: As = "text",
) -> None:
    """List a folder: when each file was changed, its size, its name; folders end in a slash."""
    files = InRoom(room)
    found: list[dict[str, Any]] = []
    for each in await files.matching(path):
        found += await _lines(files, each, recursive)
    show(found, output, map(_line, found))


@command(app, "exists", "exists notes/a.txt --room demo && echo there")
async def exists(room: RoomClient, path: FilePath) -> None:
    """Tell whether there is a file, a document or a folder: true, or false and the exit code 3."""
    is_there = await InRoom(room).ask("exists", path=path)
    typer.echo("true" if is_there["exists"] else "false")
    if not is_there["exists"]:
        raise typer.Exit(EXIT_NOT_FOUND)


@command(app, "stat", "stat notes/a.txt --room demo --output json")
async def stat(room: RoomClient, path: FilePath, output: As = "text") -> None:
    """Show what is at a path. Exit code 3: nothing."""
    found = await InRoom(room).ask("stat", path=path)
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
    encoding: Annotated[
        str | None,
        typer.Option(help="Of the text that it is, which is written as UTF-8; bytes without."),
    ] = None,
) -> None:
    """Download a file, or a document as JSON."""
    as_utf8 = _recoder(encoding)
    async with download(room, path) as file, target(to) as write:
        with progress(file.name, file.size) as advance:
            async for part in file.parts:
                await write(as_utf8(part, False))
                advance(len(part))
        await write(as_utf8(b"", True))


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


@command(app, "cp", "cp -r notes room://archive/ --room demo")
async def copy(
    room: RoomClient,
    source_path: Annotated[str, typer.Argument(help="A file, a folder, a pattern, or - .")],
    dest_path: Annotated[str, typer.Argument(help="A path, or a folder; - is stdout.")],
    recursive: Recursive = False,
) -> None:
    """Copy to a room, from it or within it, where room:// is; what is there is replaced."""
    (here, from_path), (there, to_path) = place_of(room, source_path), place_of(room, dest_path)
    if not (isinstance(here, InRoom) or isinstance(there, InRoom)):
        raise Malformed("neither path begins with room://, so nothing is of the room")
    await places.copy(here, from_path, there, to_path, is_recursive=recursive)


@command(app, "rm", "rm notes -r --room demo")
async def remove(room: RoomClient, path: FilePath, recursive: Recursive = False) -> None:
    """Delete a file, a document or a folder, or what a pattern matches in its folder."""
    for each in await InRoom(room).matching(path):
        await room.call("storage", "delete", {"path": each, "recursive": recursive})


@command(app, "mv", "mv notes/a.txt notes/b.txt --room demo")
async def move(
    room: RoomClient,
    source_path: Annotated[str, typer.Argument(help="What to move.", callback=in_room)],
    dest_path: Annotated[str, typer.Argument(help="Its new path.", callback=in_room)],
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
    told = await InRoom(room).ask("download_url", path=path, download=attachment)
    show(told, output, [told["url"]])


@command(app, "presign", "presign notes/a.txt --method PUT --expires-in 600 --room demo")
async def presign(
    room: RoomClient,
    path: FilePath,
    method: Annotated[
        Literal["GET", "HEAD", "PUT", "DELETE"], typer.Option(help="What it is good for.")
    ] = "GET",
    expires_in: Annotated[
        int, typer.Option(min=1, max=604_800, help="How long, in seconds.")
    ] = 3600,
) -> None:
    """Print a URL with which whoever has it can do one thing with a file, as JSON.

    It takes the right to presign, which presets do not grant and API keys have.
    """
    target = {"kind": "room", "name": room.name}
    wanted = {"target": target, "path": path, "method": method, "expires_in": expires_in}
    url, body = f"{room.server}/files/v1/presign", json.dumps(wanted).encode()
    with asking("POST", url, room.token, body) as answer:
        print_json(json.load(answer))


async def _lines(files: InRoom, path: str, is_recursive: bool) -> list[dict[str, Any]]:
    """What a folder holds, or a file itself."""
    if await files.is_folder(path):
        return await files.lines(path, is_recursive=is_recursive)
    line = await files.ask("stat", path=path)
    return [{"path": path, **line}] if line.pop("exists") else []


def _recoder(encoding: str | None) -> Callable[[bytes, bool], bytes]:
    """What makes UTF-8 of the parts of a text, the last one marked; raises `Malformed`."""
    if encoding is None:
        return lambda part, _: part
    try:
        "a".encode(encoding)  # some codecs are of no text
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    except (LookupError, UnicodeError):
        raise Malformed(f"{encoding!r} is no encoding, as utf-16 is") from None

    def recode(part: bytes, is_last: bool) -> bytes:
        try:
            return decoder.decode(part, is_last).encode()
        except UnicodeError as error:
            raise Malformed(f"the file is no text in {encoding}: {error}") from None

    return recode


def _line(line: dict[str, Any]) -> str:
    changed = line["updated_at"][:19].replace("T", " ")
    size = "" if line["size"] is None else line["size"]
    return f"{changed}  {size:>12}  {line['path']}{'/' if line['is_folder'] else ''}"
