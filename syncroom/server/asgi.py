"""
A server as an ASGI application, to be mounted in another one.

It has everything that a server of its own has: WebSockets, HTTP, metrics and the page. What listens
is the outer program's: TLS, bounds on requests, pings and the addresses of clients are its affair.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.routing import Router

from syncroom.backends import Backends
from syncroom.errors import Misconfigured, SyncroomError
from syncroom.hooks import Hooks
from syncroom.limits import Limits
from syncroom.server.arrival import read_arrival
from syncroom.server.asgi_connection import AsgiConnection
from syncroom.server.credentials import accepted_subprotocol, subprotocols
from syncroom.server.gate import status_of
from syncroom.server.service import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from starlette.types import Receive, Scope, Send

    from syncroom.server.service import Service


def asgi_app(
    data_dir: str | Path,
    *,
    secret: str | None = None,
    limits: Limits | None = None,
    hooks: Hooks | None = None,
    backends: Backends | None = None,
) -> AsgiApp:
    """A server to be mounted in an application for FastAPI, Starlette, Django or plain ASGI.

    It runs between the start and the end of its lifespan, or inside ``async with``. Frameworks
    run the lifespan of the outermost application only, so there put ``async with`` into that one.

    Args:
        data_dir: the folder that everything is kept in, for this application alone; made if it is
            not there.
        secret: the secret that tokens are signed with; without it one is made and kept there.
        limits: bounds on what clients may cost.
        hooks: what the program around it decides, gives and hears of.
        backends: what the APIs of rooms use outside the data folder.
    """
    parts = limits or Limits(), hooks or Hooks(), backends or Backends()
    return AsgiApp(Path(data_dir), secret, *parts)


class AsgiApp:
    """What `asgi_app` returns: an ASGI application, and an asynchronous context manager.

    ``async with`` raises `Misconfigured` and `Damaged` where the data folder can't be used. At its
    end everything that arrived is put on disk and every connection is closed with 1012.
    """

    def __init__(
        self,
        data_dir: Path,
        secret: str | None,
        limits: Limits,
        hooks: Hooks,
        backends: Backends,
    ) -> None:
        self._parts = data_dir, secret, limits, hooks, backends
        self._service: Service | None = None
        self._running: AbstractAsyncContextManager[Service] | None = None
        self._lifespan = Router(lifespan=self._alive)

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise Misconfigured("this application runs already")
        self._running = running(*self._parts)
        try:
            self._service = await self._running.__aenter__()
        except BaseException:
            self._running = None
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._running is not None
        ending, self._running, self._service = self._running, None, None
        await ending.__aexit__(kind, error, trace)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it; raises `Misconfigured` before the start."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if self._service is None:
            raise Misconfigured(
                "syncroom does not run: put `async with` this application into the lifespan of "
                "the outermost one"
            )
        if scope["type"] == "websocket":
            await _serve_websocket(self._service, scope, receive, send)
        else:
            await self._service.app(scope, receive, send)

    @asynccontextmanager
    async def _alive(self, _: object) -> AsyncIterator[None]:
        async with self:
            yield


async def _serve_websocket(service: Service, scope: Scope, receive: Receive, send: Send) -> None:
    gate, headers = service.gate, Headers(scope=scope)
    root = scope.get("root_path", "")
    query = scope["query_string"].decode("ascii", "replace")
    target = f"{quote(scope['path'].removeprefix(root))}?{query}"
    client = scope.get("client")
    address = client[0] if client else ""
    is_secure = scope.get("scheme") == "wss"
    arrival = read_arrival(target, headers, address, root=quote(root), is_secure=is_secure)
    await receive()  # websocket.connect
    try:
        seat = await gate.ask(arrival)
    except SyncroomError as error:
        gate.metrics.refuse_connection(status_of(error))
        await _reject(scope, send, error)
        return
    subprotocol = accepted_subprotocol(subprotocols(headers))
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    connection = AsgiConnection(gate, address)
    seat(connection)
    await connection.run(receive, send)


async def _reject(scope: Scope, send: Send, error: SyncroomError) -> None:
    """Refuse a handshake with a status, where the server knows how; else it is a 403."""
    status = status_of(error)
    if status == 403 or "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    kind, headers = "websocket.http.response", [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": f"{error}\n".encode()})
