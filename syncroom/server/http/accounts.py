"""
Projects, tokens and the way into a room over HTTP, as the published SDKs ask for them.

A server is one project: that of its API keys. Tokens that are made here are signed with the key
that asks for them, so they end with it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field, JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncroom.auth.keys import encode_api_key
from syncroom.auth.paths import check_room_name
from syncroom.auth.scopes import ApiScope
from syncroom.auth.token import ParticipantToken
from syncroom.errors import Denied
from syncroom.server.http.asker import asker_of, bearer_of
from syncroom.server.http.body import Body, read_json
from syncroom.server.http.file_urls import PREFIX as FILES
from syncroom.server.urls import room_url

if TYPE_CHECKING:
    from starlette.requests import Request

    from syncroom.auth.keys import ApiKey, Keyring
    from syncroom.rooms import Rooms

_PROJECT_NAME = "syncroom"


class Connect(Body):
    """Somebody who is to be let into a room."""

    email: str | None = Field(default=None, min_length=1)


class NewToken(Body):
    """A token that is to be made: its grants, or what they follow from."""

    name: str | None = None
    email: str | None = None
    grants: list[JsonValue] | None = None
    room_name: str | None = None
    role: str | None = None
    api: ApiScope | None = None


class Presented(Body):
    """A token that is to be checked."""

    token: str


class Question(Body):
    """Whether somebody may do something."""

    subject: JsonValue = None
    resource: JsonValue = None
    relation: JsonValue = None


class Accounts:
    """The REST endpoints for projects, tokens and connections."""

    def __init__(self, rooms: Rooms, keyring: Keyring, public_url: str | None) -> None:
        self._rooms = rooms
        self._limits = rooms.limits
        self._keyring = keyring
        self._public_url = public_url
        project = "/accounts/projects/{project}"
        self.routes = [
            Route("/accounts/projects", self._projects),
            Route(project, self._project),
            Route(project + "/rooms/{room}/connect", self._connect, methods=["POST"]),
            Route(project + "/participant-tokens", self._make_token, methods=["POST"]),
            Route(project + "/access:test", self._test_access, methods=["POST"]),
            Route("/api/participant-token/validate", self._validate, methods=["POST"]),
            Route("/config", self._config),
        ]

    async def _projects(self, request: Request) -> Response:
        return JSONResponse({"projects": [_json(asker_of(request, self._keyring).project_id)]})

    async def _project(self, request: Request) -> Response:
        return JSONResponse(_json(asker_of(request, self._keyring).project_id))

    async def _connect(self, request: Request) -> Response:
        asker = asker_of(request, self._keyring)
        room = request.path_params["room"]
        if asker.token is not None and room not in asker.token.rooms:
            raise Denied("the token does not grant this room")
        who = await read_json(request, Connect, self._limits)
        check_room_name(room)
        self._rooms.check(room)
        jwt = bearer_of(request)  # whoever has a token gets no other one
        if asker.key is not None:
            role = "agent" if who.email is None else "user"
            token = NewToken(email=who.email, room_name=room, role=role)
            jwt = self._mint(token, asker.key)
        host = request.headers.get("host", "") + request.scope.get("root_path", "")
        is_secure = request.url.scheme in ("https", "wss")
        return JSONResponse(
            {
                "jwt": jwt,
                "room_name": room,
                "project_id": asker.project_id,
                "room_url": room_url(self._public_url, host, is_secure, room),
            }
        )

    async def _make_token(self, request: Request) -> Response:
        key = asker_of(request, self._keyring).owner()
        new = await read_json(request, NewToken, self._limits)
        return JSONResponse({"token": self._mint(new, key)})

    async def _validate(self, request: Request) -> Response:
        presented = await read_json(request, Presented, self._limits)
        token = ParticipantToken.from_jwt(presented.token, keyring=self._keyring, now=time.time())
        return JSONResponse(token.to_json())

    async def _test_access(self, request: Request) -> Response:
        asker = asker_of(request, self._keyring)
        await read_json(request, Question, self._limits)
        return JSONResponse({"allowed": asker.key is not None})

    async def _config(self, request: Request) -> Response:
        base = self._public_url or str(request.base_url)
        return JSONResponse({"domains": {"files": base.rstrip("/") + FILES}})

    def _mint(self, new: NewToken, key: ApiKey) -> str:
        """A token signed with a key; raises `Malformed`."""
        payload: dict[str, JsonValue] = {
            "name": new.name or new.email or key.name,
            "grants": _grants(new) if new.grants is None else new.grants,
        }
        ends = datetime.fromtimestamp(time.time() + self._limits.issued_token_s, UTC)
        token = ParticipantToken.from_json(payload)
        return token.to_jwt(api_key=encode_api_key(key), expiration=ends)


def _grants(new: NewToken) -> list[JsonValue]:
    """Room and role, and the scope that is asked for, or the one that suits the role."""
    role = new.role or "user"
    default = ApiScope.user_default() if role == "user" else ApiScope.agent_default()
    scope = default if new.api is None else new.api
    grants: list[JsonValue] = [
        {"name": "role", "scope": role},
        {"name": "api", "scope": scope.to_json()},
    ]
    if new.room_name is not None:
        check_room_name(new.room_name)
        grants.insert(0, {"name": "room", "scope": new.room_name})
    return grants


def _json(project_id: str) -> dict[str, Any]:
    return {"id": project_id, "name": _PROJECT_NAME}
