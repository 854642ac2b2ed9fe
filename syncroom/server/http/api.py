"""REST, as far as a page needs it: what a room holds that the asker may read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncroom.errors import (
    Conflict,
    Denied,
    Disabled,
    LimitExceeded,
    Malformed,
    NotFound,
    SyncroomError,
    Unauthenticated,
    Unavailable,
)
from syncroom.server.credentials import visitor_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from syncroom.admission import Admission
    from syncroom.auth.participant import Participant
    from syncroom.rooms import Rooms

_STATUS: dict[type[SyncroomError], int] = {
    Unauthenticated: 401,
    Denied: 403,
    NotFound: 404,
    Conflict: 409,
    Disabled: 423,
    Malformed: 400,
    LimitExceeded: 413,
    Unavailable: 503,
}


class Api:
    """The REST endpoints of a server."""

    def __init__(self, rooms: Rooms, admission: Admission) -> None:
        self._rooms = rooms
        self._admission = admission
        self.routes = [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/api/rooms/{room}/documents", self._documents),
        ]

    async def _healthz(self, _: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, _: Request) -> JSONResponse:
        failure = self._rooms.failure
        if failure is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "failing", "reason": failure}, 503)

    async def _documents(self, request: Request) -> JSONResponse:
        room = request.path_params["room"]
        participant = await admit_request(request, self._rooms, self._admission)
        return JSONResponse(
            {
                "room": room,
                "participant": {
                    "id": participant.id,
                    "name": participant.name,
                    "role": participant.role,
                },
                "may_list_participants": participant.may_list_participants,
                "documents": [
                    {
                        "path": info.path,
                        "may_write": participant.may_write(info.path),
                        "created_ms": info.created_ms,
                        "changed_ms": info.changed_ms,
                        "bytes": info.stored_bytes,
                    }
                    for info in await self._rooms.documents(room)
                    if participant.may_read(info.path)
                ],
            }
        )


async def admit_request(request: Request, rooms: Rooms, admission: Admission) -> Participant:
    """Who asks; raises `Unauthenticated`, `Denied`, `Disabled`."""
    room, path = request.path_params["room"], path_of(request)
    address = request.client.host if request.client is not None else ""
    visitor = visitor_of(room, path, request.url.query, request.headers, address)
    participant = await admission.admit(visitor)
    rooms.check(room)
    return participant


def path_of(request: Request) -> str:
    """The path that stands in a URL behind the room; raises `Malformed` where it is no text."""
    path: str = request.path_params.get("path", "")
    if "\N{REPLACEMENT CHARACTER}" in path:  # which also stands for bytes that are no text
        try:
            unquote_to_bytes(request.scope.get("raw_path", b"")).decode()
        except UnicodeDecodeError:
            raise Malformed(f"the path {path[:80]!r} is not UTF-8 in the URL") from None
    return path


async def answer_error(_: Request, error: Exception) -> JSONResponse:
    """An error of ours as JSON."""
    assert isinstance(error, SyncroomError)
    return JSONResponse(error_body(error), status_of(error))


async def answer_nobody(_: Request, __: Exception) -> Response:
    """Whoever asked is gone, in the middle of the question; there is nothing to mend."""
    return Response(status_code=400)


def status_of(error: SyncroomError) -> int:
    """The HTTP status for an error."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


async def answer_unknown(request: Request, error: Exception) -> JSONResponse:
    """What no endpoint takes, as JSON."""
    assert isinstance(error, HTTPException)
    why: SyncroomError = Malformed(error.detail)
    if error.status_code == 404:
        why = NotFound(f"there is no endpoint at {request.url.path[:80]!r}")
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        why = Malformed(f"{request.method} is not possible here; {allowed} is")
    return JSONResponse(error_body(why), error.status_code, headers=error.headers)


def error_body(error: SyncroomError) -> dict[str, dict[str, str]]:
    """What is told of an error."""
    return {"error": {"code": error.code, "message": str(error)}}
