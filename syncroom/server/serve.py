"""
One process, one port, one data folder: everything put together, and run until a signal comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from syncroom.admission import Admission
from syncroom.contents import Contents
from syncroom.errors import Misconfigured
from syncroom.rooms import Rooms, no_content
from syncroom.server.address import TrustedProxies
from syncroom.server.app import create_app
from syncroom.server.gate import Gate
from syncroom.server.handshake import HttpProtocol
from syncroom.server.key_watch import KeyWatch
from syncroom.server.loop_watch import LoopWatch
from syncroom.server.websocket import WebSocketProtocol
from syncroom.store.keys import KeyFile
from syncroom.store.quarantine import Quarantine
from syncroom.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncroom.room import InitialContent
    from syncroom.settings import Settings

_DRAIN_S = 10


def run(
    settings: Settings,
    *,
    announce: Callable[[str], None],
    initial_content: InitialContent = no_content,
) -> None:
    """Serve until SIGTERM or SIGINT, then put everything on disk; raises `Misconfigured`.

    Args:
        settings: the settings.
        announce: called with the server's URL once connections are taken.
        initial_content: what new documents begin with.
    """
    uvloop.run(_serve(settings, announce, initial_content))


async def _serve(
    settings: Settings, announce: Callable[[str], None], initial_content: InitialContent
) -> None:
    secret = settings.secret.get_secret_value() if settings.secret is not None else None
    files = KeyFile(settings.data_dir)
    keyring = files.keyring(secret)
    proxies = TrustedProxies(settings.forwarded_allow_ips)
    store = SqliteStore(settings.data_dir, commit_pause_s=settings.limits.commit_pause_s)
    await store.open()
    try:
        with _listen(settings) as listener:
            rooms = Rooms(store, settings.limits, initial_content)
            await rooms.open()
            contents = Contents(rooms, store, Quarantine(settings.data_dir))
            gate = Gate(rooms, Admission(keyring), proxies, settings.public_url)
            KeyWatch(files, gate)
            LoopWatch(asyncio.get_running_loop(), rooms.metrics.loop_lag)
            config = uvicorn.Config(
                create_app(gate, contents),
                http=partial(HttpProtocol, settings.limits),  # type: ignore[arg-type]
                ws=partial(WebSocketProtocol, gate),  # type: ignore[arg-type]
                forwarded_allow_ips=settings.forwarded_allow_ips,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=settings.limits.backlog,
                timeout_graceful_shutdown=_DRAIN_S,
            )
            try:
                await _Server(config, partial(announce, _url(listener))).serve(sockets=[listener])
            finally:
                await contents.close()
                await rooms.close()
    finally:
        await store.close()


class _Server(uvicorn.Server):
    """Says when it is ready, and ends with the exit code 0 when it was told to end."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for each in signals:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in signals:
                loop.remove_signal_handler(each)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the socket says that it is TCP
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(settings.limits.backlog)
    except OSError as error:
        listener.close()
        raise Misconfigured(
            f"can't listen on {settings.host} port {settings.port}: {error.strerror or error}"
        ) from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
