"""
One process, one port, one data folder: everything put together, and run until a signal comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from syncroom.errors import Misconfigured
from syncroom.hooks import Hooks
from syncroom.logs import about
from syncroom.server.gate import DRAIN_S
from syncroom.server.handshake import HttpProtocol
from syncroom.server.service import running
from syncroom.server.websocket import WebSocketProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncroom.settings import Settings

_log = logging.getLogger("syncroom.server")

_GC_THRESHOLDS = (50_000, 20, 100)
"""Python looks for cycles after so many new objects. Few of ours are in any; with its own 700, a
server with 1,000 documents open spends a seventh of its time on looking."""


def run(
    settings: Settings,
    *,
    hooks: Hooks | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then put everything on disk; raises `Misconfigured`.

    Args:
        settings: the settings.
        hooks: what the program around the server decides, gives and hears of.
        announce: called with the server's URL once connections are taken.
    """
    gc.freeze()  # what is imported by now stays
    gc.set_threshold(*_GC_THRESHOLDS)
    uvloop.run(_serve(settings, announce or _log_url, hooks or Hooks()))


async def _serve(settings: Settings, announce: Callable[[str], None], hooks: Hooks) -> None:
    secret = settings.secret.get_secret_value() if settings.secret is not None else None
    limits, proxies, url = settings.limits, settings.forwarded_allow_ips, settings.public_url
    given = settings.data_dir, secret, limits, hooks, settings.backends
    with _listen(settings) as listener:
        async with running(*given, proxies=proxies, public_url=url) as service:
            config = uvicorn.Config(
                service.app,
                http=partial(HttpProtocol, limits),  # type: ignore[arg-type]
                ws=partial(WebSocketProtocol, service.gate),  # type: ignore[arg-type]
                forwarded_allow_ips=proxies,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=limits.backlog,
                timeout_graceful_shutdown=DRAIN_S,
            )
            here = _url(listener)

            def ready() -> None:
                announce(here)
                service.supervisor.start(_reachable(here))

            await _Server(config, ready).serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it is ready, and ends with the exit code 0 when it was told to end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

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


def _log_url(url: str) -> None:
    _log.info("listening", extra=about(url=url))


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reachable(url: str) -> str:
    """Where a server that listens on every address is found from the machine itself."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
