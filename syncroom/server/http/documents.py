"""
Documents over HTTP: read, import, patch and delete them, as far as the token grants it.

A change becomes an update like any client's: nothing is rebuilt, open editors see it at once, and
the answer comes when it is on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncroom.auth.paths import is_reserved, normalise
from syncroom.errors import Denied, Malformed, NotFound
from syncroom.server.http.api import admit_request
from syncroom.server.http.body import read_body

if TYPE_CHECKING:
    from starlette.requests import Request

    from syncroom.admission import Admission
    from syncroom.auth.participant import Participant
    from syncroom.auth.sync_grant import SyncAction
    from syncroom.contents import Content, Contents
    from syncroom.rooms import Rooms

_MEDIA_TYPES = {
    "update": "application/octet-stream",
    "json": "application/json",
    "text": "text/plain",
    "markdown": "text/markdown",
    "xml": "application/xml",
    "types": "application/json",
    "schema": "application/schema+json",
}

_PATCH_TYPE = "application/json-patch+json"


class Documents:
    """The REST endpoints for the content of documents."""

    def __init__(self, contents: Contents, rooms: Rooms, admission: Admission) -> None:
        self._contents = contents
        self._rooms = rooms
        self._limits = rooms.limits
        self._admission = admission
        path = "/api/rooms/{room}/documents/{path:path}"
        self.routes = [
            Route("/api/rooms/{room}/search", self._search),
            Route(path, self._read, methods=["GET"]),
            Route(path, self._write, methods=["PUT", "PATCH"]),
            Route(path, self._delete, methods=["DELETE"]),
        ]

    async def _read(self, request: Request) -> Response:
        room, path, _ = await self._permit(request, "read")
        form = request.query_params.get("format", "json")
        content = await self._contents.export(room, path, form, request.query_params.get("root"))
        media_type = _MEDIA_TYPES[form]
        return Response(content.value, headers=_headers(content), media_type=media_type)

    async def _write(self, request: Request) -> Response:
        room, path, who = await self._permit(request, "write")
        form = _patch_format(request) if request.method == "PATCH" else _import_format(request)
        body = await read_body(request, self._limits.update_bytes_max, self._limits)
        root = request.query_params.get("root")
        content = await self._contents.take(room, path, who, form, body, root)
        answer = {"path": path, "incarnation": content.incarnation, "changed": content.value}
        return JSONResponse(answer, headers=_headers(content))

    async def _delete(self, request: Request) -> Response:
        room, path, _ = await self._permit(request, "write")
        await self._contents.delete(room, path)
        return Response(status_code=204)

    async def _search(self, request: Request) -> Response:
        room = request.path_params["room"]
        who = await admit_request(request, self._rooms, self._admission)
        query = request.query_params.get("q", "")
        if not query:
            raise Malformed("the query q says what to search for")
        infos = await self._rooms.documents(room)
        paths = [info.path for info in infos if who.may_read(info.path)]
        is_regex = request.query_params.get("regex", "") in ("1", "true")
        found = await self._contents.search(room, paths, query, is_regex=is_regex)
        return JSONResponse({"room": room, "documents": found})

    async def _permit(self, request: Request, action: SyncAction) -> tuple[str, str, Participant]:
        """Room, path and participant of a request that the grant allows."""
        room = request.path_params["room"]
        who = await admit_request(request, self._rooms, self._admission)
        try:
            path = normalise(request.path_params["path"], bytes_max=self._limits.path_bytes_max)
        except Malformed as error:
            raise NotFound(str(error)) from None
        if is_reserved(path):
            raise Denied("the documents in .room are the server's own; open them with an editor")
        decision = who.decide(action, path)
        if not decision.allowed:
            raise Denied(f"the token does not permit to {action} this document")
        return room, path, who


def _patch_format(request: Request) -> str:
    if _media_type(request) != _PATCH_TYPE:
        raise Malformed(f"a patch has the content type {_PATCH_TYPE}")
    return "patch"


def _import_format(request: Request) -> str:
    """The format of a body: as the query says, or as its content type does."""
    form = request.query_params.get("format")
    if form is not None:
        return form
    media_type = _media_type(request)
    for form in ("update", "json", "text", "markdown", "schema"):
        if _MEDIA_TYPES[form] == media_type:
            return form
    raise Malformed("name the format of the body: ?format=update, json, text, markdown or schema")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _headers(content: Content) -> dict[str, str]:
    headers = {
        "Syncroom-Incarnation": content.incarnation,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if content.quarantined:
        headers["Syncroom-Quarantined"] = str(content.quarantined)
    if content.left_out:
        headers["Syncroom-Left-Out"] = str(len(content.left_out))
    return headers
