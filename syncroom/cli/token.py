"""
``syncroom token``: make participant tokens, say what one means, and why it allows what it allows.

The secret is the server's own: from its settings, or from its data folder.
"""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from syncroom.auth import jws
from syncroom.auth.grant import Decision
from syncroom.auth.keys import SECRET_BYTES_MIN, parse_api_key
from syncroom.auth.participant import participant_of
from syncroom.auth.paths import check_room_name, normalise, normalise_pattern
from syncroom.auth.scopes import ApiScope, StorageGrant, SyncGrant, SyncPathGrant
from syncroom.auth.token import ParticipantToken
from syncroom.cli.token_report import Report, Signature, printable, tables_of
from syncroom.errors import Malformed
from syncroom.settings import Settings, load_settings
from syncroom.store.keys import KeyFile

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(
    name="token", help="Make participant tokens, and explain them.", no_args_is_help=True
)

_TTL = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


Role = Literal["user", "agent", "tool"]
Preset = Literal["user-default", "agent-default", "full"]
Api = Literal["sync", "storage"]
Action = Literal["read", "write"]

_PRESETS: dict[Preset, Callable[[], ApiScope]] = {
    "user-default": ApiScope.user_default,
    "agent-default": ApiScope.agent_default,
    "full": ApiScope.full,
}

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="The server's data folder: its secret is used unless SYNCROOM_SECRET is set.",
        show_default="./syncroom-data",
    ),
]
Config = Annotated[
    Path | None, typer.Option(help="The server's TOML file.", envvar="SYNCROOM_CONFIG")
]
Key = Annotated[
    str | None,
    typer.Option(help="An API key, ma-..., in place of the secret.", envvar="SYNCROOM_API_KEY"),
]
Token = Annotated[str, typer.Argument(help="The token; - reads it from stdin.")]


@app.command()
def create(
    room: Annotated[str, typer.Option(help="The room that may be joined.")],
    name: Annotated[str, typer.Option(help="Who the participant is.")],
    role: Annotated[Role, typer.Option(help="What the participant is.")] = "user",
    scope: Annotated[Preset, typer.Option(help="What it may do.")] = "user-default",
    sync: Annotated[
        list[str] | None,
        typer.Option(
            help="Grant these documents only, in this order: with a last * a prefix, with a last"
            " :ro read-only.",
            metavar="PATH[:ro]",
        ),
    ] = None,
    ttl: Annotated[str, typer.Option(help="How long it holds: 30s, 15m, 12h, 7d, never.")] = "12h",
    data_dir: DataDir = None,
    config: Config = None,
    key: Key = None,
) -> None:
    """Make a token, and print it alone."""
    expiration = _expiration(ttl, time.time())
    if not name.strip():
        raise Malformed("--name must not be empty")
    token = ParticipantToken(name=name)
    check_room_name(room)
    token.add_room_grant(room)
    token.add_role_grant(role)
    token.add_api_grant(_scope(scope, sync))
    if key is not None:
        jwt = token.to_jwt(api_key=key, expiration=expiration)
    else:
        settings = load_settings(config, data_dir=data_dir)
        jwt = token.to_jwt(token=_signing_secret(settings), expiration=expiration)
    typer.echo(jwt)


@app.command()
def inspect(
    token: Token = "-",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    key: Key = None,
) -> None:
    """Say who a token is for, what it allows, until when, and whether its signature holds."""
    jwt = _given(token)
    read = ParticipantToken.from_jwt_unchecked(jwt)
    signature = _signature(jwt, read.api_key_id, load_settings(config, data_dir=data_dir), key)
    report = Report(read, signature, time.time())
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
        return
    console = Console()
    for table in tables_of(report):
        console.print(table)


@app.command()
def explain(
    token: Token,
    api: Annotated[Api, typer.Argument(help="Whose grant is asked.")],
    path: Annotated[str, typer.Argument(help="The path of a document or file.")],
    action: Annotated[Action, typer.Argument(help="What is to be done with it.")],
) -> None:
    """Say whether a token allows something, which line of its grant decides, and why.

    Exit code 0 means yes, 1 no. The signature is not checked here; `inspect` does that.
    """
    read = ParticipantToken.from_jwt_unchecked(_given(token))
    decision = _decide(read, api, path, action)
    line = _line(read, api, decision)
    is_expired = read.expires_at is not None and read.expires_at <= time.time()
    answer, verb = ("yes", "may") if decision.allowed else ("no", "may not")
    typer.echo(f"{answer}: {printable(read.name)} {verb} {action} {printable(path)}")
    if line is not None:
        typer.echo(f"line: {printable(line)}")
    typer.echo(f"why: {printable(decision.why)}")
    if is_expired:
        typer.echo("note: the token is expired, so servers refuse it whatever it grants")
    raise typer.Exit(0 if decision.allowed else 1)


def _given(token: str) -> str:
    return (sys.stdin.read() if token == "-" else token).strip()


def _expiration(ttl: str, now: float) -> datetime | None:
    """Return when a token made now ends; None where it never does."""
    if ttl == "never":
        return None
    match = _TTL.fullmatch(ttl)
    if match is None:
        raise Malformed(f"--ttl must be like 30s, 15m, 12h, 7d or never, not {ttl[:20]!r}")
    try:
        return datetime.fromtimestamp(now + int(match[1]) * _UNIT_S[match[2]], UTC)
    except (ValueError, OverflowError):
        raise Malformed(f"--ttl {ttl} is longer than calendars: say never") from None


def _scope(preset: Preset, sync: list[str] | None) -> ApiScope:
    """Return a preset and, where documents are listed, the same narrowed to them."""
    scope = _PRESETS[preset]()
    if not sync:
        return scope
    grant = SyncGrant(paths=[_sync_path(line) for line in sync])
    return scope.model_copy(update={"sync": grant})


def _sync_path(line: str) -> SyncPathGrant:
    path = line.removesuffix(":ro")
    return SyncPathGrant(path=normalise_pattern(path), read_only=path != line)


def _signing_secret(settings: Settings) -> str:
    secret = KeyFile(settings.data_dir).keyring(_set_secret(settings)).secret_for(None)
    if len(secret.encode()) < SECRET_BYTES_MIN:
        advice = f"the secret is shorter than {SECRET_BYTES_MIN} bytes, and can be guessed"
        typer.echo(f"syncroom: {advice}", err=True)
    return secret


def _set_secret(settings: Settings) -> str | None:
    return None if settings.secret is None else settings.secret.get_secret_value()


def _signature(jwt: str, kid: str | None, settings: Settings, key: str | None) -> Signature:
    """Check a signature as a server with these settings would; no secret is made for it."""
    signed = jws.read(jwt)
    files = KeyFile(settings.data_dir)
    keys = {f"the API key {name!r}": each for name, each in files.keys().items()}
    if key is not None:
        keys["the API key that was given"] = parse_api_key(key)
    for name, each in keys.items():
        if each.id == kid:
            return Signature(signed.is_signed_with(each.secret), name)
    secret = _set_secret(settings)
    if secret is None and not files.has_secret():
        return Signature(None, None)
    keyring = files.keyring(secret)
    return Signature(signed.is_signed_with(keyring.secret_for(None)), "the default secret")


def _decide(token: ParticipantToken, api: Api, path: str, action: Action) -> Decision:
    if api == "sync":
        return participant_of(token).decide(action, normalise(path))
    scope = token.get_api_grant()
    if scope is None or scope.storage is None:
        return Decision(False, "the token has no storage grant, so files are denied")
    return scope.storage.decide(action, path)


def _line(token: ParticipantToken, api: Api, decision: Decision) -> str | None:
    """Return where the line that decides stands in its grant, and how it reads."""
    scope = token.get_api_grant()
    grant = None if scope is None else scope.sync if api == "sync" else scope.storage
    if grant is None or decision.line is None:
        return None
    if isinstance(grant, StorageGrant) and grant.files is not None:
        rule = grant.files.paths[decision.line]
        return f"files.paths[{decision.line}] {json.dumps(rule.to_json())}"
    entry = (grant.paths or [])[decision.line]
    return f"paths[{decision.line}] {json.dumps(entry.to_json())}"
