"""The HTTP side of a server, as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from syncroom.backends import Backends
from syncroom.errors import SyncroomError
from syncroom.server.http import page
from syncroom.server.http.accounts import Accounts
from syncroom.server.http.admin import Admin
from syncroom.server.http.api import Api, answer_error, answer_nobody, answer_unknown
from syncroom.server.http.documents import Documents
from syncroom.server.http.file_urls import UrlSigner
from syncroom.server.http.files import FileEndpoints
from syncroom.server.http.llm import LlmProxy
from syncroom.server.http.maintenance import Maintenance
from syncroom.server.http.metrics import Exposition
from syncroom.server.http.rooms import RoomList

if TYPE_CHECKING:
    from syncroom.contents import Contents
    from syncroom.server.gate import Gate


def create_app(
    gate: Gate,
    contents: Contents,
    llm: LlmProxy | None = None,
    backends: Backends | None = None,
) -> Starlette:
    """REST, metrics, the page, and language models, of which there are none unless given."""
    rooms, keyring = gate.rooms, gate.admission.keyring
    backends = backends or Backends()
    llm = llm or LlmProxy(rooms, keyring, backends)
    routes = [
        *Api(gate.rooms, gate.admission).routes,
        *Documents(contents, gate.rooms, gate.admission).routes,
        *Maintenance(contents.fsck, gate.rooms, gate.admission).routes,
        *Accounts(rooms, keyring, gate.public_url).routes,
        *FileEndpoints(rooms, keyring, UrlSigner(keyring, rooms.limits), gate.public_url).routes,
        *RoomList(rooms, keyring).routes,
        *Exposition(gate, contents.hosts).routes,
        *llm.routes,
        *Admin(keyring, rooms.limits, backends, gate.public_url).routes,
        *page.routes(),
    ]
    return Starlette(
        routes=routes,
        exception_handlers={
            SyncroomError: answer_error,
            HTTPException: answer_unknown,
            ClientDisconnect: answer_nobody,
        },
    )
