"""The HTTP side of a server, as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette

from syncroom.errors import SyncroomError
from syncroom.server.http import page
from syncroom.server.http.api import Api, answer_error

if TYPE_CHECKING:
    from syncroom.auth.keys import Keyring
    from syncroom.rooms import Rooms


def create_app(rooms: Rooms, keyring: Keyring) -> Starlette:
    """REST and the page."""
    return Starlette(
        routes=[*Api(rooms, keyring).routes, *page.routes()],
        exception_handlers={SyncroomError: answer_error},
    )
