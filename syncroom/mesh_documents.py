"""
Documents that follow a schema, for the clients that open them by it.

A document gets its schema once, from whoever opens it first with one, and keeps it. Its initial
content is an edit like any other, stored in the same transaction.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Any

from syncroom.apis.base import denied
from syncroom.auth.paths import is_reserved
from syncroom.document.author import publish
from syncroom.document.host import HostDied
from syncroom.document.log import EMPTY_UPDATE
from syncroom.document.mesh import ATTRIBUTES, ROOT
from syncroom.document.mesh_schema import take_schema
from syncroom.errors import Conflict, LimitExceeded, Malformed, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from syncroom.auth.participant import Participant
    from syncroom.contents import Contents
    from syncroom.document.document import Document
    from syncroom.document.mesh_schema import MeshSchema
    from syncroom.rooms import Rooms

    ReadFile = Callable[[str, str], Awaitable[bytes | None]]
    """For a room and a path, the file there; None if there is none."""

SCHEMAS = ".schemas"
"""The folder of a room where the schema for each extension lies."""


async def _no_file(room: str, path: str) -> bytes | None:
    return None


class MeshDocuments:
    """The documents of one server that follow schemas.

    Args:
        contents: reads and writes content.
        rooms: the rooms.
        read_file: reads a file of a room.
    """

    def __init__(self, contents: Contents, rooms: Rooms, read_file: ReadFile = _no_file) -> None:
        self._contents = contents
        self._rooms = rooms
        self._limits = rooms.limits
        self._read_file = read_file

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
        _check_new(document)
        await self._begin(room, document, who, schema, initial, is_made=True)

    async def describe(self, room: str, path: str) -> dict[str, Any]:
        """The content of a document as JSON.

        Raises `NotFound`, `Malformed` where no schema is known for it, and what reading raises.
        """
        document = await self._rooms.room(room).open(path)
        if document.is_new:
            raise NotFound(f"there is no document {path!r}")
        schema = document.schema or await self._find_schema(room, path, None)
        content = await self._contents.read_json(room, path, schema)
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
        if not document.is_new:
            await self._check_kinds(room, path)
        if not may_write:
            return document, schema
        data = EMPTY_UPDATE
        if document.is_new and initial is not None:
            data = await self._build(schema, initial)
        # It may have left memory meanwhile, or have been begun by somebody else.
        document = await self._rooms.room(room).open(path)
        if is_made:
            _check_new(document)
        if document.schema is None:
            if document.is_new and data != EMPTY_UPDATE:
                publish(document, who, data)
            document.set_schema(schema, who.id)
            document.flush()
        await self._rooms.flush()
        if document.failure is not None:
            raise Unavailable(document.failure)
        document = await self._rooms.room(room).open(path)
        if document.schema is None:
            raise NotFound(f"the document {path!r} was deleted meanwhile")
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

    async def _check_kinds(self, room: str, path: str) -> None:
        """Raise `Conflict` where a document is an editor's: a schema would hide its content."""
        types = json.loads((await self._contents.export(room, path, "types")).value)
        others = [name for name in types if name not in (ROOT, ATTRIBUTES)]
        if others:
            raise Conflict(f"{path!r} is a document of another kind, with the root {others[0]!r}")

    async def _find_schema(self, room: str, path: str, given: object) -> MeshSchema:
        if given is not None:
            return take_schema(given, self._limits)
        deployed = await self._deployed(room, path)
        if deployed is None:
            place = _place(path)
            where = f", or put one at {place!r}" if place else ""
            raise Malformed(f"no schema is known for {path!r}: send one{where}")
        return deployed

    async def _deployed(self, room: str, path: str) -> MeshSchema | None:
        """The schema that a room has for the extension of a path: a file, or a text document."""
        place = _place(path)
        if place is None or place == path:
            return None
        text = await self._read_file(room, place)
        try:
            if text is None:
                text = (await self._contents.export(room, place, "text")).value
            return take_schema(json.loads(text), self._limits)
        except NotFound:
            return None
        except (Malformed, ValueError, RecursionError) as error:
            raise Malformed(f"{place!r} holds no schema: {error}") from None


def _check_new(document: Document) -> None:
    if not document.is_new:
        raise Conflict(f"there is a document {document.path!r} already")


def _place(path: str) -> str | None:
    """Where the schema for the extension of a path lies; None for a path without one."""
    extension = posixpath.splitext(path)[1][1:]
    return f"{SCHEMAS}/{extension}.json" if extension else None
