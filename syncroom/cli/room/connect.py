"""``syncroom room connect``: a program of one's own, with what it needs to join a room."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer
from pydantic import ValidationError

from syncroom.agent_tokens import variables
from syncroom.auth.keys import parse_api_key
from syncroom.auth.scopes import ApiScope
from syncroom.auth.token import ParticipantToken
from syncroom.cli.room.base import LOCAL_URL, Key, Room, Token, Url, mint, read_pair
from syncroom.client.room import RoomClient
from syncroom.errors import Malformed, Misconfigured

EXAMPLE = "Example: syncroom room connect --room demo -- python agent.py"

_PRESETS = {
    "userDefault": ApiScope.user_default,
    "agentDefault": ApiScope.agent_default,
    "full": ApiScope.full,
}


def connect(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.")],
    room: Room,
    url: Url = LOCAL_URL,
    token: Token = None,
    key: Key = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", help="A variable more.", metavar="NAME=TEXT"),
    ] = None,
    identity: Annotated[
        str | None, typer.Option(help="Who it is; it gets a token of its own, made with --key.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="What that one is; an agent without.")] = None,
    meshagent_token: Annotated[
        str | None,
        typer.Option(
            help="What that one may do; agentDefault without.",
            metavar="[userDefault|agentDefault|full|JSON]",
        ),
    ] = None,
    template: Annotated[
        Literal["agent", "none"],
        typer.Option(help="agent: all that SDKs look for; none: the variables of --env alone."),
    ] = "agent",
) -> None:
    """Run a program that joins the room by itself; its exit code is that of this one.

    It finds the URL, the room and a token in its environment, also for language models.
    """
    if identity is None and (role or meshagent_token):
        raise Malformed("--role and --meshagent-token are of who --identity is: name one")
    if identity is not None and key is None:
        raise Misconfigured("a token of its own is made with an API key: give --key")
    if key is not None and (identity is not None or token is None):
        scope = _scope(meshagent_token or "agentDefault")
        token = mint(room, key, identity or "syncroom room connect", role or "agent", scope)
    if token is None:
        raise Misconfigured("who joins? give --token, or --key to make one")
    own = dict(map(read_pair, env or []))
    server = RoomClient(url, room, token).server
    given = variables(server, room, _project(token, key), token)
    _become(command, {**os.environ, **(given if template == "agent" else {}), **own})


def _become(command: list[str], environment: dict[str, str]) -> None:
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise Misconfigured(f"{command[0]!r} can't be run: {error.strerror}") from None


def _project(token: str, key: str | None) -> str | None:
    if key is not None:
        return parse_api_key(key).project_id
    return ParticipantToken.from_jwt_unchecked(token).project_id


def _scope(text: str) -> ApiScope:
    if text in _PRESETS:
        return _PRESETS[text]()
    try:
        return ApiScope.model_validate_json(text)
    except ValidationError:
        raise Malformed(
            "--meshagent-token is userDefault, agentDefault, full or an API scope as JSON"
        ) from None
