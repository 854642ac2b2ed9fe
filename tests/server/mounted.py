"""An application around syncroom, served by uvicorn in the test's own process, on a real port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from syncroom import AsgiApp, Hooks, Limits, asgi_app
from tests.server.local import WAIT_S_MAX, InProcess
from tests.support import tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

SECRET = "the-secret-of-a-mounted-server-0123456789"


class Mounted:
    """Where it is, and how to come in."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def document(self, path: str = "notes", prefix: str = "/collab", **claims: Any) -> str:
        return f"{self.ws_url}{prefix}/yjs/demo/{path}?token={token(**claims)}"


def token(**claims: Any) -> str:
    """A token for everything in the room ``demo``, unless it says otherwise."""
    api = claims.pop("api", tokens.api_scope("user-default", claims.pop("sync", None)))
    defaults: dict[str, Any] = {"room": "demo", "name": "ann", "role": "user"}
    return tokens.mint(claims.pop("secret", SECRET), **(defaults | claims), api=api)


def collab(data_dir: Path, *, hooks: Hooks | None = None, **limits: float) -> AsgiApp:
    """The application that is mounted."""
    bounds = Limits.model_validate({"refusal_s": 0.01} | limits)
    return asgi_app(data_dir, secret=SECRET, hooks=hooks, limits=bounds)


def around(**mounts: AsgiApp) -> Starlette:
    """An application with a page of its own, and others under their names."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for app in mounts.values():
                await stack.enter_async_context(app)
            yield

    async def home(_: Request) -> PlainTextResponse:
        return PlainTextResponse("home")

    routes = [Route("/", home), *(Mount(f"/{name}", app) for name, app in mounts.items())]
    return Starlette(routes=routes, lifespan=lifespan)


@asynccontextmanager
async def served(app: ASGIApp, **options: Any) -> AsyncIterator[Mounted]:
    """An application that is up, and down afterwards."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        **options,
    )
    server = InProcess(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    is_up = asyncio.create_task(server.is_up.wait())
    await asyncio.wait({is_up, running}, return_when=asyncio.FIRST_COMPLETED)
    try:
        assert is_up.done(), "it did not start"
        yield Mounted(listener.getsockname()[1])
    finally:
        server.should_exit = True
        async with asyncio.timeout(WAIT_S_MAX):
            await running
        is_up.cancel()
        listener.close()
