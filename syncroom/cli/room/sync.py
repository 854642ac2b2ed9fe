"""``syncroom room sync``: documents that follow a schema. What else there is: ``syncroom doc``."""

from __future__ import annotations

import json as json_text
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from syncroom.cli.doc_source import Remote
from syncroom.cli.options import print_json
from syncroom.cli.room.base import (
    EXIT_NOT_FOUND,
    As,
    command,
    given,
    group,
    read_given,
    read_object,
    show,
)
from syncroom.cli.room.conversations import Conversation, Writing, read_export
from syncroom.cli.room.elements import search
from syncroom.cli.room.threads import Threads
from syncroom.cli.token_report import printable
from syncroom.client.room import RoomClient
from syncroom.errors import Malformed
from syncroom.protocol.meshagent import binary_content

app = group("sync", "Documents that follow a schema: make, show, search and change them.")

_THREADS = ".threads/anthropic"

DocumentPath = Annotated[str, typer.Argument(metavar="PATH", help="The document.")]
Ids = Annotated[bool, typer.Option("--include-ids", help="Also the ids of elements, as $id.")]
Pretty = Annotated[bool, typer.Option("--pretty/--compact", help="Print JSON on several lines.")]


@command(app, "create", "create list.todo --schema todo.json --room demo")
async def create(
    room: RoomClient,
    path: DocumentPath,
    schema: Annotated[
        Path | None, typer.Option(help="A file with its schema; otherwise as its name ends.")
    ] = None,
    json: Annotated[str | None, typer.Option(help="What it begins with, a JSON object.")] = None,
    json_file: Annotated[Path | None, typer.Option(help="A file that holds it.")] = None,
) -> None:
    """Make a document where there is none."""
    asked: dict[str, Any] = {"path": path}
    if schema is not None:
        asked["schema"] = read_object(schema.read_text(), "--schema")
    if json is not None or json_file is not None:
        asked["json"] = read_given(json, json_file, "json")
    await room.call("sync", "create", asked)


@command(app, "get", "get list.todo --room demo")
async def get(
    room: RoomClient, path: DocumentPath, include_ids: Ids = False, pretty: Pretty = True
) -> None:
    """Print a document as JSON."""
    _print(await _describe(room, path, include_ids), pretty)


@command(app, "grep", "grep list.todo 'water|rain' --ignore-case --room demo")
async def grep(
    room: RoomClient,
    path: DocumentPath,
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="A regular expression.")],
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", help="Capitals make no difference.")
    ] = False,
    before: Annotated[int, typer.Option(min=0, help="Also so many elements before each.")] = 0,
    after: Annotated[int, typer.Option(min=0, help="Also so many behind it.")] = 0,
    include_ids: Ids = False,
    pretty: Pretty = True,
) -> None:
    """Print the elements that match, as a JSON array. Exit code 3: there are none.

    Searched are their tags, the names and values of their attributes, and their texts.
    """
    try:
        compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise Malformed(f"{pattern!r} is no regular expression: {error}") from None
    document = await _describe(room, path, include_ids)
    found = search(document, compiled, before=before, after=after)
    _print(found, pretty)
    if not found:
        raise typer.Exit(EXIT_NOT_FOUND)


@command(app, "inspect", "inspect list.todo --room demo")
async def inspect(room: RoomClient, path: DocumentPath, pretty: Pretty = True) -> None:
    """Print the schema of a document as JSON."""
    start = binary_content({"kind": "start", "path": path, "create": False})
    async with room.stream("sync", "open", start) as stream:
        first = await stream.receive()
    _print(first.header["headers"]["schema"], pretty)


@command(app, "update", "update list.todo --patch-file changes.json --room demo")
async def update(
    room: RoomClient,
    path: DocumentPath,
    patch: Annotated[str | None, typer.Option(help="A JSON Patch, which is an array.")] = None,
    patch_file: Annotated[Path | None, typer.Option(help="A file that holds it.")] = None,
) -> None:
    """Change a document, while others edit it: a JSON Patch becomes edits of what differs."""
    body = given(patch, patch_file, "patch").encode()
    await Remote(room.server, room.token).take(room.name, path, "patch", None, body)


@command(app, "import", "import --file conversations.json --room demo")
async def import_threads(
    room: RoomClient,
    file: Annotated[
        Path, typer.Option("--file", "-f", help="The conversations.json of an export.")
    ],
    thread_dir: Annotated[str, typer.Option(help="Their folder in the room.")] = _THREADS,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make threads that are there what they say.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Take so many at most.")] = None,
    user_name: Annotated[
        str, typer.Option("--user-name", "--human-name", help="Who the human is.")
    ] = "human",
    assistant_name: Annotated[str, typer.Option(help="Who answers.")] = "assistant",
    include_empty_messages: Annotated[
        bool, typer.Option("--include-empty-messages", help="Also messages that say nothing.")
    ] = False,
    output: As = "text",
) -> None:
    """Make threads of conversations that Anthropic exported, and list them in index.threadl.

    The room needs the schemas of threads and their lists, as .schemas/thread.json and threadl.json.
    """
    names = {"human": user_name, "assistant": assistant_name}
    threads = Threads(room, thread_dir, Writing(names, include_empty_messages))
    found = read_export(file)[:limit]
    await threads.open()
    for each in found:
        if isinstance(each, Conversation):
            await threads.add(each, overwrite=overwrite)
        else:
            typer.echo(f"syncroom: passed over {printable(each)}", err=True)
    invalid = sum(not isinstance(each, Conversation) for each in found)
    counts = {"imported": threads.imported, "skipped_existing": threads.skipped_existing}
    done = counts | {"skipped_invalid": invalid}
    show(done, output, (f"{name}: {count}" for name, count in done.items()))


async def _describe(room: RoomClient, path: str, include_ids: bool) -> dict[str, Any]:
    asked = {"path": path, "include_ids": include_ids}
    described: dict[str, Any] = (await room.call("sync", "describe", asked)).header["json"]
    return described


def _print(value: Any, pretty: bool) -> None:
    if pretty:
        print_json(value)
    else:
        typer.echo(json_text.dumps(value, ensure_ascii=False, separators=(",", ":")))
