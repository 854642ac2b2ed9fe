"""``syncroom serve`` and ``syncroom demo``: run a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from syncroom.auth.keys import encode_api_key
from syncroom.auth.scopes import ApiScope
from syncroom.auth.sync_grant import SyncGrant, SyncPathGrant
from syncroom.auth.token import ParticipantToken
from syncroom.cli.welcome import DEMO_PATH, DEMO_ROOM, demo_content
from syncroom.hooks import Hooks
from syncroom.logs import LogFormat, log_to_stderr
from syncroom.server.serve import run
from syncroom.settings import LogLevel, load_settings
from syncroom.store.keys import KeyFile

if TYPE_CHECKING:
    from syncroom.auth.keys import ApiKey

_DEMO_LINK_LIFE = timedelta(days=30)

app = typer.Typer()

Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[
    str | None,
    typer.Option(
        help="Port to listen on; 0 takes a free one.", show_default="8420", metavar="INTEGER"
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder that everything is kept in.", show_default="./syncroom-data"),
]
Level = Annotated[
    LogLevel | None, typer.Option(help="What is worth a line in the log.", show_default="info")
]
Format = Annotated[
    LogFormat | None, typer.Option(help="Log lines for people or as JSON.", show_default="console")
]
Proxies = Annotated[
    str | None,
    typer.Option(
        help="Proxies whose X-Forwarded-For counts: addresses and networks, with commas.",
        show_default="127.0.0.1,::1",
    ),
]
PublicUrl = Annotated[
    str | None,
    typer.Option(help="Where clients reach the server, as https://rooms.example.org."),
]
Config = Annotated[
    Path | None, typer.Option(help="TOML file with settings by name.", envvar="SYNCROOM_CONFIG")
]


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    log_level: Level = None,
    log_format: Format = None,
    forwarded_allow_ips: Proxies = None,
    public_url: PublicUrl = None,
    config: Config = None,
) -> None:
    """Serve rooms until SIGTERM or Ctrl-C.

    Every setting can also be given as a variable, SYNCROOM_PORT for --port, or in a TOML file.
    SYNCROOM_SECRET is the secret that tokens are signed with; without it one is made at the first
    start and kept in the data folder.
    """
    settings = load_settings(
        config,
        host=host,
        port=port,
        data_dir=data_dir,
        log_level=log_level,
        log_format=log_format,
        forwarded_allow_ips=forwarded_allow_ips,
        public_url=public_url,
    )
    log_to_stderr(settings.log_level, settings.log_format)
    run(settings, announce=_announce)


@app.command()
def demo(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    log_level: Level = "warning",
    log_format: Format = None,
    forwarded_allow_ips: Proxies = None,
    public_url: PublicUrl = None,
    config: Config = None,
) -> None:
    """Serve a demo room, and print links into it: one to write, one to read only."""
    settings = load_settings(
        config,
        host=host,
        port=port,
        data_dir=data_dir,
        log_level=log_level,
        log_format=log_format,
        forwarded_allow_ips=forwarded_allow_ips,
        public_url=public_url,
    )
    log_to_stderr(settings.log_level, settings.log_format)
    keys = KeyFile(settings.data_dir)
    key = keys.keys().get(DEMO_ROOM) or keys.add(DEMO_ROOM)

    def announce(url: str) -> None:
        _announce(url)
        writer = _link(url, key, "Ann", ApiScope.user_default())
        read_only = SyncGrant(paths=[SyncPathGrant(path="*", read_only=True)])
        scope = ApiScope.user_default().model_copy(update={"sync": read_only})
        typer.echo(f"\nAnn may write:      {writer}")
        typer.echo(f"Ben may only read:  {_link(url, key, 'Ben', scope)}")
        typer.echo("\nOpen Ann's link in two windows and type in both. Ctrl-C stops the server.")

    run(settings, announce=announce, hooks=Hooks(on_load=demo_content))


def _announce(url: str) -> None:
    typer.echo(f"syncroom listening on {url}")


def _link(url: str, key: ApiKey, name: str, scope: ApiScope) -> str:
    """A link with the token in its fragment, which browsers keep to themselves."""
    token = ParticipantToken(name=name)
    token.add_room_grant(DEMO_ROOM)
    token.add_api_grant(scope)
    expiration = datetime.now(UTC) + _DEMO_LINK_LIFE
    jwt = token.to_jwt(api_key=encode_api_key(key), expiration=expiration)
    return f"{url}/#{urlencode({'room': DEMO_ROOM, 'path': DEMO_PATH, 'token': jwt})}"
