"""
Self-hosted rooms where people and agents work on the same documents at the same time.

What is named here is what programs around a server use; each name is loaded when it is first asked
for, since the processes that read content need none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncroom.auth.participant import Participant
    from syncroom.auth.scopes import ApiScope
    from syncroom.auth.sync_grant import SyncGrant, SyncPathGrant
    from syncroom.auth.token import ParticipantToken
    from syncroom.auth.visitor import Visitor
    from syncroom.backends import Backends
    from syncroom.client.room import RoomClient
    from syncroom.errors import (
        Denied,
        Misconfigured,
        NotFound,
        SyncroomError,
        Unauthenticated,
    )
    from syncroom.hooks import Change, Hooks
    from syncroom.limits import Limits
    from syncroom.server.asgi import AsgiApp, asgi_app
    from syncroom.server.serve import run
    from syncroom.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "ApiScope",
    "AsgiApp",
    "Backends",
    "Change",
    "Denied",
    "Hooks",
    "Limits",
    "Misconfigured",
    "NotFound",
    "Participant",
    "ParticipantToken",
    "RoomClient",
    "Settings",
    "SyncGrant",
    "SyncPathGrant",
    "SyncroomError",
    "Unauthenticated",
    "Visitor",
    "asgi_app",
    "run",
]

_HOMES = {
    "auth.participant": ["Participant"],
    "auth.scopes": ["ApiScope"],
    "auth.sync_grant": ["SyncGrant", "SyncPathGrant"],
    "auth.token": ["ParticipantToken"],
    "auth.visitor": ["Visitor"],
    "backends": ["Backends"],
    "client.room": ["RoomClient"],
    "errors": ["Denied", "Misconfigured", "NotFound", "SyncroomError", "Unauthenticated"],
    "hooks": ["Change", "Hooks"],
    "limits": ["Limits"],
    "server.asgi": ["AsgiApp", "asgi_app"],
    "server.serve": ["run"],
    "settings": ["Settings"],
}
_MODULES = {name: f"syncroom.{home}" for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # otherwise every name would be one to type checkers

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module 'syncroom' has no attribute {name!r}")
        globals()[name] = value = getattr(import_module(_MODULES[name]), name)
        return value
