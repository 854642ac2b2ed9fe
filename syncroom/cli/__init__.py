"""The ``syncroom`` command. Errors are one line on stderr, and the exit code 2 but in ``room``."""

from __future__ import annotations

import sys

import typer

from syncroom import __version__
from syncroom.cli import doc, keys, room, rooms, serve, token
from syncroom.errors import SyncroomError

app = typer.Typer(
    name="syncroom",
    help="Self-hosted rooms where people and agents work on the same documents at the same time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("demo")(serve.demo)
app.add_typer(token.app, name="token")
app.add_typer(doc.app, name="doc")
app.add_typer(rooms.app, name="rooms")
app.add_typer(room.app, name="room")
app.add_typer(keys.app, name="keys")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except SyncroomError as error:
        typer.echo(f"syncroom: {error}", err=True)
        sys.exit(2)
