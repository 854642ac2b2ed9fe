"""
Upkeep over HTTP, for tokens with the ``admin`` grant: check documents, and compact them now.

It touches those documents that the token also lets its holder read, or for compaction write, and
nobody else notices. An answer is one JSON object a line: one for each document as soon as it is
done, and a last one that counts them, without which the answer is not whole.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse
from starlette.routing import Route

from syncroom.auth.paths import normalise
from syncroom.errors import Denied, NotFound, SyncroomError
from syncroom.server.http.api import admit_request, error_body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from starlette.requests import Request

    from syncroom.admission import Admission
    from syncroom.auth.participant import Participant
    from syncroom.fsck import Fsck
    from syncroom.rooms import Rooms
    from syncroom.store.base import Finding

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx passes each line on as it comes
    "X-Content-Type-Options": "nosniff",
}


class Maintenance:
    """The REST endpoints for whoever looks after a room."""

    def __init__(self, fsck: Fsck, rooms: Rooms, admission: Admission) -> None:
        self._fsck = fsck
        self._rooms = rooms
        self._limits = rooms.limits
        self._admission = admission
        self.routes = [
            Route("/api/rooms/{room}/fsck", self._check),
            Route("/api/rooms/{room}/compact", self._compact, methods=["POST"]),
        ]

    async def _check(self, request: Request) -> StreamingResponse:
        room, who = await self._permit(request)
        infos = await self._rooms.documents(room)
        paths = [info.path for info in infos if who.may_read(info.path)]
        return self._stream(self._findings(room, who, paths))

    async def _compact(self, request: Request) -> StreamingResponse:
        room, who = await self._permit(request)
        infos = await self._rooms.documents(room)
        paths = [info.path for info in infos if who.may_write(info.path)]
        if "path" in request.query_params:
            path = normalise(request.query_params["path"], bytes_max=self._limits.path_bytes_max)
            if not who.may_write(path):
                raise Denied("the token does not permit to write this document")
            if path not in paths:
                raise NotFound(f"there is no document {path!r}")
            paths = [path]
        return self._stream(self._compactions(room, paths))

    async def _permit(self, request: Request) -> tuple[str, Participant]:
        """Room and participant of a request that the grant allows."""
        who = await admit_request(request, self._rooms, self._admission)
        if not who.may_administer:
            raise Denied("the token has no admin grant, which checking and compacting need")
        return request.path_params["room"], who

    async def _findings(
        self, room: str, who: Participant, paths: list[str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        beside = [
            found
            for found in await self._fsck.file()
            if found.room in ("", room) and (not found.path or who.may_read(found.path))
        ]
        count = len(beside)
        yield _found("", beside)
        for path in paths:
            findings = await self._fsck.document(room, path)
            count += len(findings)
            yield _found(path, findings)
        yield {"documents": len(paths), "findings": count}

    async def _compactions(
        self, room: str, paths: list[str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        for path in paths:
            done = await self._rooms.compactor.compact(room, path)
            yield {"path": path, **done._asdict()}
        yield {"documents": len(paths)}

    def _stream(self, results: AsyncGenerator[dict[str, Any], None]) -> StreamingResponse:
        lines = as_lines(results, self._limits.keepalive_s)
        return StreamingResponse(lines, headers=_HEADERS, media_type="application/x-ndjson")


async def as_lines(
    results: AsyncGenerator[dict[str, Any], None], keepalive_s: float
) -> AsyncIterator[bytes]:
    """Results as lines; an empty one whenever none came for a while, as silence is cut off."""
    try:
        while True:
            coming = asyncio.ensure_future(anext(results, None))
            try:
                while not (await asyncio.wait([coming], timeout=keepalive_s))[0]:
                    yield b"\n"
            finally:
                coming.cancel()  # whoever asked is gone
            result = coming.result()
            if result is None:
                return
            yield _line(result)
    except SyncroomError as error:
        yield _line(error_body(error))


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _found(path: str, findings: list[Finding]) -> dict[str, Any]:
    return {"path": path, "findings": [asdict(each) for each in findings]}
