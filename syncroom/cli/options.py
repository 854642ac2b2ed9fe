"""What several groups of commands have in common: their options, and how they print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

Output = Literal["text", "json"]

As = Annotated[Output, typer.Option("--output", help="Print text for people or JSON.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="The data folder of a server that is not running.", show_default="./syncroom-data"
    ),
]
Url = Annotated[
    str | None,
    typer.Option(help="A running server, instead of a data folder.", envvar="SYNCROOM_URL"),
]
Config = Annotated[
    Path | None, typer.Option(help="The server's TOML file.", envvar="SYNCROOM_CONFIG")
]


def print_json(value: Any) -> None:
    """Print something for programs."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def write_bytes(data: bytes, out: TextIO) -> None:
    """Write bytes to a standard stream, all of them.

    Without a buffer, as with PYTHONUNBUFFERED, a stream writes a part of them when the command is
    stopped and goes on, or the terminal gets another size.
    """
    left = memoryview(data)
    while left:
        left = left[out.buffer.write(left) :]
    out.flush()
