"""The rooms of a project over HTTP, as the published SDKs ask for them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncroom.auth.scopes import ApiScope
from syncroom.errors import Conflict, Denied, Malformed, NotFound
from syncroom.server.http.asker import asker_of
from syncroom.server.http.body import Body, read_json
from syncroom.server.http.paging import read_size, read_token, token_after

if TYPE_CHECKING:
    from starlette.requests import Request

    from syncroom.auth.keys import Keyring
    from syncroom.rooms import Rooms
    from syncroom.store.base import RoomInfo

_PAGE_ROOMS = 100
_PAGE_ROOMS_MAX = 1000


class NewRoom(Body):
    """A room that is to be made."""

    name: str
    if_not_exists: bool = False
    metadata: dict[str, JsonValue] | None = None
    annotations: dict[str, str] | None = None
    permissions: dict[str, ApiScope] | None = None


class ChangedRoom(Body):
    """What is to be another of a room."""

    name: str | None = None
    metadata: dict[str, JsonValue] | None = None
    annotations: dict[str, str] | None = None
    enabled: bool | None = None


class RoomList:
    """The REST endpoints for the rooms of a project."""

    def __init__(self, rooms: Rooms, keyring: Keyring) -> None:
        self._rooms = rooms
        self._catalogue = rooms.catalogue
        self._limits = rooms.limits
        self._keyring = keyring
        path = "/accounts/projects/{project}/rooms"
        self.routes = [
            Route(path, self._list, methods=["GET"]),
            Route(path, self._create, methods=["POST"]),
            Route(path + "/{room}", self._get, methods=["GET"]),
            Route(path + "/{room}", self._change, methods=["PUT"]),
            Route(path + "/{room}", self._delete, methods=["DELETE"]),
            Route(path + "/{room}/status", self._status),
        ]

    async def _list(self, request: Request) -> Response:
        names = asker_of(request, self._keyring).rooms()
        query = request.query_params
        after, contains = read_token(query), query.get("filter", "")
        size = read_size(query, "page_size", _PAGE_ROOMS, _PAGE_ROOMS_MAX)
        if names is None:
            found, total = await self._catalogue.page(after, contains, size + 1)
        else:
            known = [
                room for room in await self._known(names) if contains.lower() in room.name.lower()
            ]
            found, total = [room for room in known if room.name > after][: size + 1], len(known)
        rooms = found[:size]
        token = token_after(rooms[-1].name) if len(found) > size else None
        answer = {"rooms": [room_json(room) for room in rooms], "total": total}
        return JSONResponse(answer | {"continuation_token": token})

    async def _create(self, request: Request) -> Response:
        asker_of(request, self._keyring).owner()
        new = await read_json(request, NewRoom, self._limits)
        if new.permissions:
            raise Malformed("there are no users here to permit anything: make them tokens instead")
        try:
            room = await self._catalogue.create(new.name, new.metadata or {}, new.annotations or {})
        except Conflict:
            if not new.if_not_exists:
                raise
            room = await self._catalogue.find(new.name)
        return JSONResponse(room_json(room))

    async def _get(self, request: Request) -> Response:
        return JSONResponse(room_json(await self._named(request)))

    async def _status(self, request: Request) -> Response:
        room = await self._named(request)
        since_ms = self._rooms.occupied_since_ms(room.name)
        if not since_ms:
            return JSONResponse({"status": "Unallocated"})
        since_s = since_ms / 1000
        return JSONResponse(
            {
                "status": "Allocated",
                "allocated_at": datetime.fromtimestamp(since_s, UTC).isoformat(),
                "running_for_seconds": max(0, int(time.time() - since_s)),
            }
        )

    async def _change(self, request: Request) -> Response:
        asker = asker_of(request, self._keyring)
        asker.rooms()
        room = await self._catalogue.find_id(request.path_params["room"])
        asker.check(room.name)
        changed = await read_json(request, ChangedRoom, self._limits)
        if changed.name not in (None, room.name):
            raise Malformed(f"a room keeps its name: this one is {room.name!r}")
        given = {
            "metadata": changed.metadata,
            "annotations": changed.annotations,
            "is_enabled": changed.enabled,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return JSONResponse(room_json(await self._rooms.change(room.id, changes)))

    async def _delete(self, request: Request) -> Response:
        asker_of(request, self._keyring).owner()
        room = await self._catalogue.find_id(request.path_params["room"])
        await self._rooms.delete(room.name)
        return Response(status_code=204)

    async def _named(self, request: Request) -> RoomInfo:
        """A room by its name, or by its id: the MeshAgent command line asks with either."""
        asker, given = asker_of(request, self._keyring), request.path_params["room"]
        try:
            asker.check(given)
            return await self._catalogue.find(given)
        except (Denied, NotFound) as unnamed:
            try:
                room = await self._catalogue.find_id(given)
            except NotFound:
                raise unnamed from None
        asker.check(room.name)
        return room

    async def _known(self, names: list[str]) -> list[RoomInfo]:
        """Those of some rooms that there are."""
        known = []
        for name in sorted(set(names)):
            try:
                known.append(await self._catalogue.find(name))
            except NotFound:
                continue
        return known


def room_json(room: RoomInfo) -> dict[str, Any]:
    """A room as the SDKs read it."""
    return {
        "id": room.id,
        "name": room.name,
        "metadata": room.metadata,
        "annotations": room.annotations,
        "enabled": room.is_enabled,
        "created_at": datetime.fromtimestamp(room.created_ms / 1000, UTC).isoformat(),
    }
