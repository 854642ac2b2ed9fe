"""The HTTP side of a server, as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette

from syncroom.errors import SyncroomError
from syncroom.server.http import page
from syncroom.server.http.api import Api, answer_error
from syncroom.server.http.metrics import Exposition

if TYPE_CHECKING:
    from syncroom.auth.keys import Keyring
    from syncroom.server.gate import Gate


def create_app(gate: Gate, keyring: Keyring) -> Starlette:
    """REST, metrics and the page."""
    return Starlette(
        routes=[*Api(gate.rooms, keyring).routes, *Exposition(gate).routes, *page.routes()],
        exception_handlers={SyncroomError: answer_error},
    )
