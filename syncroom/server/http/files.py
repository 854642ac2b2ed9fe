"""
Files over HTTP: the endpoints behind the MeshAgent command line's ``room storage``.

An API key may do everything in its project; a participant token what its storage grant says.
Source of the format: the command line, ``meshagent-cli`` 0.56.0 on PyPI.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from syncroom.apis.base import denied
from syncroom.apis.storage import Storage, file_path, line_json, line_time, next_part
from syncroom.auth.participant import Participant, participant_of
from syncroom.auth.scopes import ApiScope
from syncroom.auth.storage_grant import StorageGrant
from syncroom.errors import Denied, Malformed, NotFound
from syncroom.server.http.api import path_of
from syncroom.server.http.asker import Asker, asker_of
from syncroom.server.http.body import Body, read_json
from syncroom.server.http.file_urls import PREFIX, UrlSigner, place
from syncroom.server.http.paging import read_size, read_token, token_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from syncroom.apis.shelf import Shelf
    from syncroom.auth.keys import Keyring
    from syncroom.auth.storage_grant import FileAction
    from syncroom.rooms import Rooms

_SERVER_ID = "server"
"""Who changes files without being in the room."""

_PAGE_ENTRIES = 1000

_HARMLESS = {
    "Cache-Control": "private, no-cache",  # asked for again each time, which the ETag makes cheap
    "Content-Security-Policy": "sandbox",  # what somebody uploaded is no page of this server
    "X-Content-Type-Options": "nosniff",
}

_ACTIONS: dict[str, FileAction] = {
    "GET": "read",
    "HEAD": "read",
    "PUT": "write",
    "DELETE": "delete",
}
"""What a method takes the right to."""

_ALL_ACTIONS: list[FileAction] = ["list", "read", "write", "delete", "presign"]


class Target(Body):
    """A room, as the command line names it."""

    project_id: str | None = None
    """None is whatever project the asker is of."""
    kind: Literal["room"]
    name: str


class Source(Body):
    """Something in a room."""

    target: Target
    path: str


class Transfer(Body):
    """Something that is to be copied or moved."""

    source: Source
    overwrite: bool = False


class Presign(Body):
    """A URL that is to be made."""

    target: Target
    path: str
    method: Literal["GET", "HEAD", "PUT", "DELETE"]
    expires_in: int = Field(ge=1, le=604_800)


class FileEndpoints:
    """The REST endpoints for files."""

    def __init__(
        self, rooms: Rooms, keyring: Keyring, signer: UrlSigner, public_url: str | None
    ) -> None:
        self._rooms = rooms
        self._public_url = public_url
        self._limits = rooms.limits
        self._keyring = keyring
        self._signer = signer
        path = PREFIX + "/{project}/rooms/{room}/{path:path}"
        self.routes = [
            Route(PREFIX + "/v1/presign", self._presign, methods=["POST"]),
            Route(path, self._read, methods=["GET", "HEAD"]),
            Route(path, self._write, methods=["PUT"]),
            Route(path, self._delete, methods=["DELETE"]),
            Route(path, self._act, methods=["POST"]),
        ]

    async def _read(self, request: Request) -> Response:
        if "list" in request.query_params:
            return await self._list(request)
        if "permissions" in request.query_params:
            return self._permissions(request)
        path = _path_of(request)
        who, is_attachment = self._permit(request, "read", path)
        shelf = self._shelf(request.path_params["room"])
        line = await shelf.files.stat(path) if path else None
        if line is None and path:
            raise NotFound(f"there is no file at {path!r}")
        if line is None or line.is_folder:
            if request.method != "HEAD":
                raise NotFound(f"{path!r} is a folder")
            return Response(headers={"X-Meshagent-Is-Folder": "true"})
        await shelf.check_there(who, path)
        return await _send(request, shelf, path, is_attachment)

    async def _list(self, request: Request) -> Response:
        query = request.query_params
        folder = file_path(query.get("prefix", path_of(request)))
        who = self._asker(request)
        if not _grant(who).can_list_directory(folder):
            raise denied("to list this folder")
        limit = read_size(query, "limit", _PAGE_ENTRIES, _PAGE_ENTRIES)
        after = read_token(query)
        shelf = self._shelf(request.path_params["room"])
        lines = [each for each in await shelf.visible(who, folder) if each.name > after]
        token = token_after(lines[limit - 1].name) if len(lines) > limit else None
        entries = [line_json(each) for each in lines[:limit]]
        return JSONResponse({"entries": entries, "continuation_token": token})

    def _permissions(self, request: Request) -> Response:
        path, grant = _path_of(request), _grant(self._asker(request))
        return JSONResponse(
            {
                "actions": [it for it in _ALL_ACTIONS if grant.allows(it, path)],
                "recursive_actions": [
                    it for it in _ALL_ACTIONS if grant.allows(it, path, subtree=True)
                ],
            }
        )

    async def _write(self, request: Request) -> Response:
        path = _named(_path_of(request))
        self._permit(request, "write", path)
        overwrite = _flag(request, "overwrite")
        self._rooms.catalogue.note(request.path_params["room"])
        length = request.headers.get("content-length")
        await self._shelf(request.path_params["room"]).save(
            path,
            self._parts(request),
            _SERVER_ID,
            overwrite=overwrite,
            size=None if length is None else int(length),
            mime_type=request.headers.get("content-type", ""),
        )
        return JSONResponse({"path": path}, 201)

    async def _delete(self, request: Request) -> Response:
        path = _named(_path_of(request))
        is_recursive = _flag(request, "recursive")
        who, _ = self._permit(request, "delete", path, subtree=is_recursive)
        shelf = self._shelf(request.path_params["room"])
        await shelf.remove(who, path, _SERVER_ID, is_recursive)
        return Response(status_code=204)

    async def _act(self, request: Request) -> Response:
        action, path = request.query_params.get("action"), _named(_path_of(request))
        if action == "mkdir":
            self._permit(request, "write", path)
            self._rooms.catalogue.note(request.path_params["room"])
            await self._shelf(request.path_params["room"]).files.make_folder(path)
            return JSONResponse({"path": path}, 201)
        if action not in ("copy", "move"):
            raise Malformed(f"the action {action!r} is none of mkdir, copy, move")
        transfer = await read_json(request, Transfer, self._limits)
        source, room = _named(file_path(transfer.source.path)), request.path_params["room"]
        who = self._asker(request)
        if transfer.source.target.name != room:
            raise Malformed("files are copied and moved within one room")
        grant, is_move = _grant(who), action == "move"
        if not grant.can_write(path, subtree=True) or not grant.can_read(source, subtree=True):
            raise denied(f"to {action} this")
        if is_move and not grant.can_delete(source, recursive=True):
            raise denied("to move this")
        shelf = self._shelf(room)
        if is_move:
            await shelf.relocate(source, path, _SERVER_ID, overwrite=transfer.overwrite)
        else:
            await shelf.copy(who, source, path, _SERVER_ID, overwrite=transfer.overwrite)
        return JSONResponse({"path": path})

    async def _presign(self, request: Request) -> Response:
        wanted = await read_json(request, Presign, self._limits)
        asker = asker_of(request, self._keyring)
        room, path = wanted.target.name, _named(file_path(wanted.path))
        who = _participant(asker, room, wanted.target.project_id or asker.project_id)
        grant, action = _grant(who), _ACTIONS[wanted.method]
        if not grant.can_presign(path) or not grant.allows(action, path):
            raise denied(f"to make URLs that work alone to {action} this")
        signed = self._signer.sign(room, path, wanted.method, wanted.expires_in, who)
        base = (self._public_url or str(request.base_url)).rstrip("/")
        return JSONResponse(
            {
                "url": f"{base}{place(asker.project_id, room, path)}?signed={signed}",
                "method": wanted.method,
                "headers": {},
                "expires_at": line_time(int(time.time() * 1000) + 1000 * wanted.expires_in),
            }
        )

    def _permit(
        self, request: Request, action: FileAction, path: str, *, subtree: bool = False
    ) -> tuple[Participant, bool]:
        """Who asks, and whether the answer is to be an attachment; raises `Denied`."""
        signed, room = request.query_params.get("signed"), request.path_params["room"]
        if signed is not None:
            self._rooms.check(room)
            found = self._signer.read(signed, room, path, request.method)
            if subtree:
                raise Denied("this URL was made for one file, not for all that lies in a folder")
            return _owner(found.is_for_documents), found.is_attachment
        who = self._asker(request)
        if not _grant(who).allows(action, path, subtree=subtree):
            raise denied(f"to {action} this file")
        return who, False

    def _asker(self, request: Request) -> Participant:
        room = request.path_params["room"]
        asker = asker_of(request, self._keyring)
        self._rooms.check(room)
        return _participant(asker, room, asker.project_id)

    def _shelf(self, room: str) -> Shelf:
        storage = self._rooms.room(room).apis.toolkits[Storage.name]
        assert isinstance(storage, Storage)
        shelf: Shelf = storage.shelf
        return shelf

    async def _parts(self, request: Request) -> AsyncIterator[bytes]:
        """A body, part by part; raises `Malformed` where the next one does not come in time."""
        parts, seconds = request.stream(), self._limits.transfer_stalled_s_max
        while (part := await next_part(parts, seconds)) is not None:
            yield part


async def _send(request: Request, shelf: Shelf, path: str, is_attachment: bool) -> Response:
    """A file, or a part of it; a document as JSON."""
    kind = "attachment" if is_attachment else "inline"
    if await shelf.files.find(path) is None:
        async with shelf.reading(path) as document:
            content = await document.read(document.size)
        headers = {**_HARMLESS, "Content-Disposition": kind}
        return Response(content, headers=headers, media_type=document.mime_type)
    async with shelf.files.reading(path) as (file, source):
        found = os.fstat(source.fileno())
    tag = f'"{file.blob}"'
    headers = {**_HARMLESS, "ETag": tag, "Last-Modified": _http_date(file.updated_ms)}
    known = request.headers.get("if-none-match", "").replace("W/", "").split(",")
    if {tag, "*"} & {each.strip() for each in known}:
        return Response(status_code=304, headers=headers)
    return FileResponse(
        shelf.files.local_path(file),
        headers=headers,
        media_type=file.mime_type,
        filename=file.name,
        stat_result=found,
        content_disposition_type=kind,
    )


def _path_of(request: Request) -> str:
    return file_path(path_of(request))


def _named(path: str) -> str:
    if not path:
        raise Malformed("the root of a room is no file")
    return path


def _participant(asker: Asker, room: str, project: str) -> Participant:
    """Who asks, as the room sees them; raises `Denied`."""
    if project != asker.project_id:
        raise Denied(f"these credentials are for project {asker.project_id!r}, not {project!r}")
    if asker.token is None:
        return _owner(key_id=asker.owner().id)
    if room not in asker.token.rooms:
        raise Denied("the token does not grant this room")
    return participant_of(asker.token)


def _owner(is_for_documents: bool = True, key_id: str | None = None) -> Participant:
    """Whoever holds a key, or something that was signed for just this."""
    scope = ApiScope.full() if is_for_documents else ApiScope()
    scope = scope.model_copy(update={"storage": StorageGrant.full()})
    return Participant(_SERVER_ID, _SERVER_ID, "agent", scope, key_id=key_id)


def _grant(who: Participant) -> StorageGrant:
    grant = who.scope.storage if who.scope is not None else None
    if grant is None:
        raise denied("the token has no storage grant")
    return grant


def _flag(request: Request, name: str) -> bool:
    value = request.query_params.get(name) or "false"
    if value.lower() not in ("true", "false"):
        raise Malformed(f"{name} is true or false, not {value[:80]!r}")
    return value.lower() == "true"


def _http_date(ms: int) -> str:
    return format_datetime(datetime.fromtimestamp(ms / 1000, UTC), usegmt=True)
