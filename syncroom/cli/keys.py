"""
``syncroom keys``: make, list and revoke the API keys of a data folder.

It works beside a server that runs on the folder, which takes in what changed within a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syncroom.auth.keys import encode_api_key
from syncroom.cli.options import As, Config, print_json
from syncroom.cli.token_report import printable
from syncroom.settings import load_settings
from syncroom.store.keys import KeyFile

app = typer.Typer(
    name="keys",
    help="API keys: they sign tokens, and manage rooms over HTTP.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="What the key is called here.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="The server's data folder; the server may run.", show_default="./syncroom-data"
    ),
]


@app.command(epilog="Example: syncroom keys create backend")
def create(
    name: Name,
    project: Annotated[
        str | None,
        typer.Option(
            help="The project of the first key, a UUID; all others are of the same.",
            show_default="a new one",
        ),
    ] = None,
    output: As = "text",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make a key, and print it alone. Whoever has it may do everything on this server."""
    key = _files(data_dir, config).add(name, project)
    text = encode_api_key(key)
    if output == "json":
        print_json({"name": name, "id": key.id, "project_id": key.project_id, "key": text})
    else:
        typer.echo(text)


@app.command("list", epilog="Example: syncroom keys list --output json")
def list_keys(output: As = "text", data_dir: DataDir = None, config: Config = None) -> None:
    """List the keys: name, id, project; not what they sign with."""
    keys = _files(data_dir, config).keys()
    if output == "json":
        print_json(
            [{"name": n, "id": key.id, "project_id": key.project_id} for n, key in keys.items()]
        )
        return
    for name, key in keys.items():
        typer.echo(printable(f"{key.id}  {key.project_id}  {name}"))


@app.command(epilog="Example: syncroom keys revoke backend")
def revoke(name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """End a key: tokens that it signed let nobody in, and who came in with one has to leave."""
    _files(data_dir, config).revoke(name)
    typer.echo("revoked")


def _files(data_dir: Path | None, config: Path | None) -> KeyFile:
    return KeyFile(load_settings(config, data_dir=data_dir).data_dir)
