"""
``syncroom doc``: list, show, export, import, search, delete, compact and check documents, of a data
folder while no server runs on it, or through a server.

Exit codes: 0, it is done; 1, there is something to look at; 2, it could not be done.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from syncroom.cli.doc_source import Remote, at_rest
from syncroom.cli.options import As, Config, DataDir, Url, print_json, write_bytes
from syncroom.cli.token_report import printable
from syncroom.document.mesh_schema import read_schema
from syncroom.errors import Malformed, Misconfigured, NotFound
from syncroom.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from syncroom.cli.doc_source import Source

app = typer.Typer(
    name="doc",
    help="Documents: read, write, search, compact and check them.",
    no_args_is_help=True,
)

Exported = Literal["json", "text", "markdown", "xml", "update", "types", "schema"]
Imported = Literal["json", "text", "markdown", "update", "patch", "schema"]

_BY_SUFFIX: dict[str, Imported] = {
    ".json": "json",
    ".txt": "text",
    ".md": "markdown",
    ".yjs": "update",
}

Room = Annotated[str, typer.Argument(help="The room.")]
DocumentPath = Annotated[str, typer.Argument(metavar="PATH", help="The document's path.")]
Root = Annotated[str | None, typer.Option(help="The root type, where there are several.")]
Token = Annotated[
    str | None,
    typer.Option(help="The token for that server.", envvar="SYNCROOM_TOKEN", show_default=False),
]


@app.command("list")
def list_documents(
    room: Annotated[str | None, typer.Argument(help="The room; all of a folder's without.")] = None,
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    token: Token = None,
    config: Config = None,
) -> None:
    """List documents: room, path, size, last change."""

    async def work() -> None:
        async with _source(data_dir, url, token, config) as source:
            found = await source.list(room)
        if output == "json":
            print_json(found)
            return
        for each in found:
            changed = datetime.fromtimestamp(each["changed_ms"] / 1000).astimezone()
            line = (
                f"{changed:%Y-%m-%d %H:%M:%S}  {each['bytes']:>10}  {each['room']}  {each['path']}"
            )
            typer.echo(printable(line))

    asyncio.run(work())


@app.command()
def show(
    room: Room,
    path: DocumentPath,
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    token: Token = None,
    config: Config = None,
) -> None:
    """Show what a document is: its incarnation, its root types, how each begins.

    Of a document that follows a schema: the root element, and the content as JSON.
    """

    async def work() -> None:
        async with _source(data_dir, url, token, config) as source:
            types = await source.export(room, path, "types", None)
            content = await source.export(room, path, "json", None)
            schema = await _schema_root(source, room, path)
        kinds, values = json.loads(types.data), json.loads(content.data)
        if output == "json":
            print_json(
                {
                    "room": room,
                    "path": path,
                    "incarnation": types.incarnation,
                    "quarantined": types.quarantined,
                    "schema": schema,
                    "left_out": content.left_out,
                    "types": kinds,
                    "content": values,
                }
            )
            return
        typer.echo(f"incarnation: {types.incarnation}")
        if types.quarantined:
            typer.echo(f"quarantined: {types.quarantined} records are left out; see fsck")
        if schema is not None:
            typer.echo(printable(f"schema: {schema}"))
            if content.left_out:
                typer.echo(f"left out: {content.left_out} things that the schema does not know")
            for line in json.dumps(values, ensure_ascii=False, indent=2).splitlines():
                typer.echo(printable(line))
            return
        for name, kind in kinds.items():
            begin = json.dumps(values[name], ensure_ascii=False)[:_BEGIN]
            typer.echo(printable(f"{name} ({kind}): {begin}"))

    asyncio.run(work())


@app.command("export")
def export_document(
    room: Room,
    path: DocumentPath,
    form: Annotated[Exported, typer.Option("--format", help="What to write.")] = "json",
    root: Root = None,
    to: Annotated[Path | None, typer.Option(help="The file to write; stdout without.")] = None,
    data_dir: DataDir = None,
    url: Url = None,
    token: Token = None,
    config: Config = None,
) -> None:
    """Write a document as JSON, text, Markdown, XML or as a Yjs update."""

    async def work() -> bytes:
        async with _source(data_dir, url, token, config) as source:
            return (await source.export(room, path, form, root)).data

    data = asyncio.run(work())
    if to is not None:
        to.write_bytes(data)
    else:
        write_bytes(data, sys.stdout)
        if sys.stdout.isatty():
            typer.echo()


@app.command("import")
def import_document(
    room: Room,
    path: DocumentPath,
    file: Annotated[str, typer.Argument(help="The file to read; - reads stdin.")] = "-",
    form: Annotated[
        Imported | None,
        typer.Option("--format", help="What the file is; otherwise as its name ends."),
    ] = None,
    root: Root = None,
    data_dir: DataDir = None,
    url: Url = None,
    token: Token = None,
    config: Config = None,
) -> None:
    """Make a document what a file says, with edits: its history goes on, open editors follow.

    A Yjs update is merged, a JSON Patch applied; of everything else only what differs is changed.
    """
    chosen = form or _BY_SUFFIX.get(Path(file).suffix.lower())
    if chosen is None:
        raise Malformed("what the file is can't be told from its name: give --format")
    body = sys.stdin.buffer.read() if file == "-" else _read_file(Path(file))

    async def work() -> bool:
        async with _source(data_dir, url, token, config) as source:
            return await source.take(room, path, chosen, root, body)

    typer.echo("changed" if asyncio.run(work()) else "nothing to change")


@app.command()
def grep(
    room: Room,
    query: Annotated[str, typer.Argument(help="What to search for.")],
    regex: Annotated[bool, typer.Option("--regex", help="It is a regular expression.")] = False,
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    token: Token = None,
    config: Config = None,
) -> None:
    """Search in the content of a room's documents. Exit code 1 means that nothing was found."""

    async def work() -> dict[str, Any]:
        async with _source(data_dir, url, token, config) as source:
            return await source.search(room, query, is_regex=regex)

    found = asyncio.run(work())
    if output == "json":
        print_json(found)
    else:
        for path, each in found.items():
            if "error" in each:
                typer.echo(printable(f"{path}: {each['error']['message']}"), err=True)
            for hit in each.get("hits", ()):
                line = f"{path}{hit['pointer']}:{hit['line']}: {hit['text']}"
                typer.echo(printable(line))
    raise typer.Exit(0 if any("hits" in each for each in found.values()) else 1)


@app.command()
def delete(
    room: Room,
    path: DocumentPath,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    url: Url = None,
    token: Token = None,
    config: Config = None,
) -> None:
    """Delete a document with its history. Whoever has it open is sent away."""
    if not yes:
        typer.confirm(printable(f"Delete {path} of room {room} for ever?"), abort=True)

    async def work() -> None:
        async with _source(data_dir, url, token, config) as source:
            await source.delete(room, path)

    asyncio.run(work())
    typer.echo("deleted")


@app.command()
def compact(
    room: Annotated[str | None, typer.Argument(help="The room; all of a folder's without.")] = None,
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="The document; all without.")
    ] = None,
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    token: Token = None,
    config: Config = None,
) -> None:
    """Compact documents now. A server does it by itself when it is worth it.

    Exit code 1 means that a document was left as it is.
    """

    async def work() -> list[dict[str, Any]]:
        done = []
        async with _source(data_dir, url, token, config) as source:
            async for each in source.compact(room, path):
                done.append(each)
                if output == "text":
                    note = f", left as it is: {each['refusal']}" if each["refusal"] else ""
                    sizes = f"{each['bytes_before']} -> {each['bytes']} bytes{note}"
                    typer.echo(printable(f"{each['room']}  {each['path']}: {sizes}"))
        return done

    done = asyncio.run(work())
    if output == "json":
        print_json(done)
    raise typer.Exit(1 if any(each["refusal"] for each in done) else 0)


@app.command()
def fsck(
    room: Annotated[str | None, typer.Argument(help="The room; all of a folder's without.")] = None,
    output: As = "text",
    data_dir: DataDir = None,
    url: Url = None,
    token: Token = None,
    config: Config = None,
) -> None:
    """Check documents and the file that they are in, and explain what is wrong.

    Nothing is changed. Exit code 0 means that all is well, 1 that there are findings.
    """

    async def work() -> tuple[int, list[dict[str, Any]]]:
        documents, findings = 0, []
        async with _source(data_dir, url, token, config) as source:
            async for each in source.check(room):
                documents += bool(each["path"])
                findings += each["findings"]
                if output == "text":
                    _print_findings(each["findings"])
        return documents, findings

    documents, findings = asyncio.run(work())
    if output == "json":
        print_json({"documents": documents, "findings": findings})
    else:
        typer.echo(f"{documents} documents, {len(findings)} findings")
    raise typer.Exit(1 if findings else 0)


_BEGIN = 80


async def _schema_root(source: Source, room: str, path: str) -> str | None:
    """The root element of a document that follows a schema."""
    try:
        given = json.loads((await source.export(room, path, "schema", None)).data)
    except NotFound:
        return None
    return read_schema(given).root.tag


@asynccontextmanager
async def _source(
    data_dir: Path | None, url: str | None, token: str | None, config: Path | None
) -> AsyncIterator[Source]:
    """Where the documents are that the options name."""
    if url is not None:
        if data_dir is not None:
            raise Misconfigured("give a data folder or a URL, not both")
        yield Remote(url, token)
        return
    settings = load_settings(config, data_dir=data_dir)
    async with at_rest(settings.data_dir, settings.limits) as source:
        yield source


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{str(file)!r} can't be read: {error.strerror}") from None


def _print_findings(findings: list[dict[str, Any]]) -> None:
    for each in findings:
        where = " ".join(filter(None, [each["room"], each["path"]]))
        number = "" if each["seq"] is None else f" record {each['seq']}"
        typer.echo(printable(f"{each['kind']}: {where}{number}: {each['text']}"))
