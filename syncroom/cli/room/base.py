"""
What all ``syncroom room`` commands have in common: where the room is, who asks, and how they end.

A command is an async function that is given the room first. Its other parameters are its options;
those that say which room are added here.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from syncroom.auth.paths import check_room_name
from syncroom.auth.scopes import ApiScope, StorageGrant
from syncroom.auth.token import ParticipantToken
from syncroom.cli.options import Output, print_json
from syncroom.cli.token_report import printable
from syncroom.client.room import RoomClient
from syncroom.errors import (
    Denied,
    Disabled,
    Malformed,
    Misconfigured,
    NotFound,
    SyncroomError,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    Work = Callable[..., Awaitable[None]]
    W = TypeVar("W", bound=Work)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_DENIED = 4
EXIT_UNREACHABLE = 5
EXIT_INTERRUPTED = 130

_EXITS: Mapping[type[SyncroomError], int] = {
    Malformed: EXIT_USAGE,
    Misconfigured: EXIT_USAGE,
    NotFound: EXIT_NOT_FOUND,
    Denied: EXIT_DENIED,
    Disabled: EXIT_DENIED,
    Unauthenticated: EXIT_DENIED,
    Unavailable: EXIT_UNREACHABLE,
}

_MINTED = timedelta(hours=12)
_NAME = "syncroom room"

Room = Annotated[str, typer.Option("--room", help="The room.", envvar="SYNCROOM_ROOM")]
Url = Annotated[str, typer.Option("--url", help="The server.", envvar="SYNCROOM_URL")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", help="The token to join with.", envvar="SYNCROOM_TOKEN", show_default=False
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        help="An API key of that server, to join without a token and with all rights.",
        envvar="SYNCROOM_API_KEY",
        show_default=False,
    ),
]
As = Annotated[Output, typer.Option("--output", "-o", help="Print text for people or JSON.")]

LOCAL_URL = "http://127.0.0.1:8420"


def group(name: str, help_text: str) -> typer.Typer:
    """A group of commands under ``syncroom room``; a group in another is named with that."""
    return typer.Typer(name=name, help=help_text, no_args_is_help=True)


def command(app: typer.Typer, name: str, example: str, *aliases: str) -> Callable[[W], W]:
    """Make an async function a command, which is given a `RoomClient` and then its options.

    Args:
        app: the group that it belongs to.
        name: what it is called there.
        example: how it is used, without ``syncroom room`` and the group.
        aliases: other names, which help does not list.
    """

    def make(work: W) -> W:
        _, *own = inspect.signature(work, eval_str=True).parameters.values()
        where = inspect.signature(_joining, eval_str=True).parameters.values()
        parameters = [each.replace(kind=each.KEYWORD_ONLY) for each in (*own, *where)]

        def run(*, room: str, url: str, token: str | None, key: str | None, **options: Any) -> None:
            _end_well(lambda: _joining(room, url, token, key), work, options)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__doc__ = work.__doc__
        for each in (name, *aliases):
            text = f"Example: syncroom room {app.info.name} {example}"
            app.command(each, epilog=text, hidden=each in aliases)(run)
        return work

    return make


def _joining(room: Room, url: Url = LOCAL_URL, token: Token = None, key: Key = None) -> RoomClient:
    """The client that the options name; raises `Misconfigured`, `Malformed`."""
    if token is None:
        if key is None:
            raise Misconfigured("who asks? give --token, or --key to ask with all rights")
        scope = ApiScope.full().model_copy(update={"storage": StorageGrant.full()})
        token = mint(room, key, _NAME, "tool", scope)
    return RoomClient(url, room, token)


def mint(room: str, key: str, name: str, role: str, scope: ApiScope) -> str:
    """A token for a room, made with an API key; raises `Malformed`."""
    check_room_name(room)
    token = ParticipantToken(name=name)
    token.add_room_grant(room)
    token.add_role_grant(role)
    token.add_api_grant(scope)
    return token.to_jwt(api_key=key, expiration=datetime.now(UTC) + _MINTED)


def _end_well(joining: Callable[[], RoomClient], work: Work, options: Mapping[str, Any]) -> None:
    """Do the work of a command; exit with a code and one line where it fails."""

    async def in_room() -> None:
        async with joining() as room:
            await work(room, **options)

    try:
        asyncio.run(in_room())
    except SyncroomError as error:
        _fail(str(error), next((_EXITS[k] for k in type(error).__mro__ if k in _EXITS), 1))
    except OSError as error:
        _fail(str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _fail(text: str, code: int) -> None:
    typer.echo(f"syncroom: {printable(text)}", err=True)
    raise typer.Exit(code) from None


def read_object(text: str, option: str) -> dict[str, Any]:
    """A JSON object that an option has; raises `Malformed`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Malformed(f'{option} takes a JSON object, as {{"n": 1}}')
    return value


def given(text: str | None, file: Path | None, option: str) -> str:
    """What an option or a file has; raises `Malformed`, `OSError`."""
    if (text is None) == (file is None):
        raise Malformed(f"give either --{option} or --{option}-file")
    return file.read_text() if file is not None else text or ""


def read_given(text: str | None, file: Path | None, option: str) -> dict[str, Any]:
    """A JSON object that an option or a file has; raises `Malformed`, `OSError`."""
    suffix = "" if file is None else "-file"
    return read_object(given(text, file, option), f"--{option}{suffix}")


def read_pair(text: str) -> tuple[str, str]:
    """What --env has; raises `Malformed`."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Malformed(f"--env is NAME=TEXT, not {text[:40]!r}")
    return name, value


def show(value: Any, output: Output, lines: Iterable[str]) -> None:
    """Print something: whole for programs, as lines for people."""
    if output == "json":
        print_json(value)
        return
    for line in lines:
        typer.echo(printable(line))
