"""
Who asks the accounts API: the holder of an API key, or of a participant token.

A key may do everything in its project. A token with ``admin`` in its scope may look at the rooms
that it grants, and change them; it makes no rooms, ends none, and makes no tokens.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncroom.auth.token import ParticipantToken
from syncroom.errors import Denied, Unauthenticated
from syncroom.server.credentials import token_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from syncroom.auth.keys import ApiKey, Keyring

_NO_PROJECT = "default"
"""What tokens without a project belong to on a server without keys."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who has proved who they are, with a key or with a token."""

    project_id: str
    key: ApiKey | None
    token: ParticipantToken | None

    def owner(self) -> ApiKey:
        """The key that asks; raises `Denied` for a token."""
        if self.key is None:
            raise Denied("this takes an API key; a participant token does not do")
        return self.key

    def rooms(self) -> list[str] | None:
        """The rooms that may be looked at and changed, None for all; raises `Denied`."""
        if self.token is None:
            return None
        scope = self.token.get_api_grant()
        if scope is None or scope.admin is None or not scope.admin.config:
            raise Denied("this takes an API key, or a participant token with the admin grant")
        return self.token.rooms

    def check(self, room: str) -> None:
        """Raise `Denied` unless the room may be looked at and changed."""
        rooms = self.rooms()
        if rooms is not None and room not in rooms:
            raise Denied("the token does not grant this room")


def asker_of(request: Request, keyring: Keyring) -> Asker:
    """Who sent a request about a project; raises `Unauthenticated`, `Denied`."""
    asker = _asker(bearer_of(request), keyring)
    project_id = request.path_params.get("project", asker.project_id)
    if project_id != asker.project_id:
        raise Denied(f"these credentials are for project {asker.project_id!r}, not {project_id!r}")
    return asker


def bearer_of(request: Request) -> str:
    """What a request presents, in its header alone: keys don't belong into URLs."""
    text = token_of(request.headers.get("authorization"), "", ())
    if text is None:
        raise Unauthenticated("an API key or a participant token is needed, as a bearer token")
    return text


def _asker(text: str, keyring: Keyring) -> Asker:
    if text.startswith("ma-"):
        key = keyring.find(text)
        return Asker(key.project_id, key, None)
    token = ParticipantToken.from_jwt(text, keyring=keyring, now=time.time())
    project_id = token.project_id or keyring.project_id or _NO_PROJECT
    return Asker(project_id, None, token)
