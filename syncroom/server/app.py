"""The HTTP side of a server, as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette

from syncroom.errors import SyncroomError
from syncroom.server.http import page
from syncroom.server.http.api import Api, answer_error
from syncroom.server.http.documents import Documents
from syncroom.server.http.metrics import Exposition

if TYPE_CHECKING:
    from syncroom.contents import Contents
    from syncroom.server.gate import Gate


def create_app(gate: Gate, contents: Contents) -> Starlette:
    """REST, metrics and the page."""
    routes = [
        *Api(gate.rooms, gate.admission).routes,
        *Documents(contents, gate.rooms, gate.admission).routes,
        *Exposition(gate, contents.hosts).routes,
        *page.routes(),
    ]
    return Starlette(
        routes=routes,
        exception_handlers={SyncroomError: answer_error},
    )
