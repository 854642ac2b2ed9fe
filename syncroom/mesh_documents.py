"""
Documents that follow a schema, for the clients that open them by it.

A document gets its schema once, from whoever opens it first with one, and keeps it. Its initial
content is an edit like any other, stored in the same transaction.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncroom.apis.base import denied
from syncroom.auth.paths import is_reserved
from syncroom.document.host import HostDied
from syncroom.document.log import EMPTY_UPDATE
from syncroom.document.mesh_schema import take_schema
from syncroom.errors import Conflict, LimitExceeded, Malformed, NotFound
from syncroom.schemas import place_of

if TYPE_CHECKING:
    from syncroom.auth.participant import Participant
    from syncroom.contents import Contents
    from syncroom.document.document import Document
    from syncroom.document.mesh_schema import MeshSchema
    from syncroom.rooms import Rooms


class MeshDocuments:
    """The documents of one server that follow schemas.

    Args:
        contents: reads and writes content.
        rooms: the rooms.
    """

    def __init__(self, contents: Contents, rooms: Rooms) -> None:
        self._contents = contents
        self._rooms = rooms
        self._limits = rooms.limits

    async def open(
        self,
        room: str,
        path: str,
        who: Participant,
        *,
        create: bool = True,
        schema: object = None,
        initial: object = None,
    ) -> tuple[Document, MeshSchema]:
        """A document, and the schema that it follows.

        The schema is the one that it has, or the one that comes with the request, or the one that
        the room has for its extension. Where it has none and ``who`` may write, it gets that one.

        Args:
            room: the name of the room.
            path: the normalised path, which ``who`` may read.
            who: who asks.
            create: whether to begin a new document where there is none.
            schema: the JSON of a schema, or None.
            initial: the JSON that a new document begins with; None for an empty one.

        Raises:
            NotFound: there is no document, and none is to be made.
            Denied: there is no document, and ``who`` may not write there.
            Conflict: the document holds something that no schema describes.
            Malformed: there is no schema, or it is none, or the content does not fit it.
            LimitExceeded: there is too much of either.
            Unavailable: nothing can be stored now.
            Damaged: what is stored can't be read.
        """
        document = await self._rooms.room(room).open(path)
        if document.schema is not None:
            return document, document.schema
        if document.is_new and not create:
            raise NotFound(f"there is no document {path!r}")
        return await self._begin(room, document, who, schema, initial)

    async def create(
        self,
        room: str,
        path: str,
        who: Participant,
        *,
        schema: object = None,
        initial: object = None,
    ) -> None:
        """Begin a new document, as `open` does; raises `Conflict` where there is one."""
        document = await self._rooms.room(room).open(path)
        if not document.is_new:
            raise Conflict(f"there is a document {path!r} already")
        await self._begin(room, document, who, schema, initial, is_made=True)

    async def describe(self, room: str, path: str, *, with_ids: bool = False) -> dict[str, Any]:
        """The content of a document as JSON, the ids of its elements among it where that is asked.

        Raises `NotFound`, `Malformed` where no schema is known for it, and what reading raises.
        """
        document = await self._rooms.room(room).open(path)
        if document.is_new:
            raise NotFound(f"there is no document {path!r}")
        schema = document.schema or await self._find_schema(room, path, None)
        content = await self._contents.read_json(room, path, schema, with_ids=with_ids)
        described: dict[str, Any] = content.value
        return described

    async def _begin(
        self,
        room: str,
        document: Document,
        who: Participant,
        given: object,
        initial: object,
        *,
        is_made: bool = False,
    ) -> tuple[Document, MeshSchema]:
        path, may_write = document.path, who.may_write(document.path)
        if is_reserved(path):
            raise denied("the documents in .room are the server's own; open them with an editor")
        if document.is_new and not may_write:
            raise denied("to make this document")
        schema = await self._find_schema(room, path, given)
        if not may_write:
            return document, schema
        data = EMPTY_UPDATE
        if document.is_new and initial is not None:
            data = await self._build(schema, initial)
        follow = self._contents.schemas.follow
        document = await follow(room, path, who, schema, data, is_made=is_made)
        assert document.schema is not None
        return document, document.schema

    async def _build(self, schema: MeshSchema, initial: object) -> bytes:
        """The update that makes an empty document equal to JSON."""
        try:
            text = json.dumps(initial)
        except (TypeError, ValueError, RecursionError):
            raise Malformed("the initial content is no JSON") from None
        if len(text) > self._limits.update_bytes_max:
            allowed = self._limits.update_bytes_max
            raise LimitExceeded(f"the initial content has more than {allowed} bytes")
        hosts = self._contents.hosts
        try:
            answer = await hosts.call("set_json", EMPTY_UPDATE, content=text, schema=schema.given)
        except HostDied as death:
            raise LimitExceeded(f"the initial content can't be written: {death}") from None
        return answer.data or EMPTY_UPDATE

    async def _find_schema(self, room: str, path: str, given: object) -> MeshSchema:
        if given is not None:
            return take_schema(given, self._limits)
        found = await self._contents.schemas.find(room, path)
        if found is None:
            place = place_of(path)
            where = f", or put one at {place!r}" if place else ""
            raise Malformed(f"no schema is known for {path!r}: send one{where}")
        return found
