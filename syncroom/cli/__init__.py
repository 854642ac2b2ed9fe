"""The ``syncroom`` command. Errors are one line on stderr, and the exit code 2 but in ``room``."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from syncroom import __version__
from syncroom.errors import SyncroomError

_MODULES = {
    "serve": "serve",
    "demo": "serve",
    "token": "token",
    "doc": "doc",
    "rooms": "rooms",
    "room": "room",
    "keys": "keys",
}
"""For each command or group, the module that has it."""


class _Commands(TyperGroup):
    """The commands. The module of one is read when it is asked for: all of them take a second."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        commands: dict[str, Any] = {**dict.fromkeys(_MODULES), **self.commands}
        self.commands = commands

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if self.commands.get(cmd_name) is None and cmd_name in _MODULES:
            module = import_module(f"syncroom.cli.{_MODULES[cmd_name]}")
            found = typer.main.get_command(module.app)
            found = getattr(found, "commands", {}).get(cmd_name, found)
            self.commands[cmd_name] = found
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=_Commands,
    name="syncroom",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _syncroom() -> None:
    """Self-hosted rooms where people and agents work on the same documents at the same time."""


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
