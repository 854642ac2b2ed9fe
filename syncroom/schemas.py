"""
How documents get the schemas that they follow.

A document gets its schema once, with its first content if it is new, and keeps it. A room may have
a schema for each extension: a file or a text, in one folder.
"""

from __future__ import annotations

import json
import posixpath
from contextlib import aclosing
from typing import TYPE_CHECKING

from syncroom.document.author import publish
from syncroom.document.log import EMPTY_UPDATE
from syncroom.document.mesh import ATTRIBUTES, ROOT
from syncroom.document.mesh_schema import take_schema
from syncroom.errors import Conflict, LimitExceeded, Malformed, NotFound, TooManyParts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from syncroom.auth.participant import Participant
    from syncroom.contents import Contents
    from syncroom.document.document import Document
    from syncroom.document.mesh_schema import MeshSchema
    from syncroom.protocol.update import Update
    from syncroom.rooms import Rooms

    Read = Callable[[str, str], Awaitable[bytes]]
    """For a room and a path, the bytes there; raises `NotFound`."""

FOLDER = ".schemas"

_INITIAL_STRUCTS_MAX = 40_000
"""What a document begins with is taken in one turn: for so many that takes 0.1 s."""


class Schemas:
    """The schemas of one server's documents.

    Args:
        contents: reads content.
        rooms: the rooms.
    """

    def __init__(self, contents: Contents, rooms: Rooms) -> None:
        self.readers: list[Read] = [self._read_text]
        """Where the schema for an extension may lie; the first that finds one is believed."""
        self._contents = contents
        self._rooms = rooms

    async def find(self, room: str, path: str) -> MeshSchema | None:
        """The schema for the extension of a path; raises `Malformed` where that is none."""
        place = place_of(path)
        if place is None or place == path:
            return None
        for read in self.readers:
            try:
                return take_schema(json.loads(await read(room, place)), self._rooms.limits)
            except NotFound:
                continue
            except (Malformed, ValueError, RecursionError) as error:
                raise Malformed(f"{place!r} holds no schema: {error}") from None
        return None

    async def follow(
        self,
        room: str,
        path: str,
        who: Participant,
        schema: MeshSchema,
        initial: bytes = EMPTY_UPDATE,
        parts: tuple[Update, ...] = (),
        *,
        is_made: bool = False,
    ) -> Document:
        """Give a document a schema, unless it has one; return it once that is on disk.

        Args:
            room: the name of the room.
            path: the normalised path.
            who: who asks, and may write there.
            schema: what the document follows from now on.
            initial: the Yjs update that it begins with, where it is new.
            parts: the same taken apart, where it is large.
            is_made: whether it has to be new.

        Raises:
            Conflict: it holds something that no schema describes; or it is not new.
            LimitExceeded: there is too much to begin with.
            NotFound: it was deleted meanwhile.
            Unavailable: nothing can be stored now.
        """
        document = await self._rooms.room(room).open(path)
        if document.schema is None and not document.is_new:
            await self._check_kinds(room, path)
            document = await self._rooms.room(room).open(path)
        if is_made and not document.is_new:
            raise Conflict(f"there is a document {path!r} already")
        if document.schema is None:
            if document.is_new and initial != EMPTY_UPDATE:
                try:
                    publish(document, who, *(parts or (initial,)))
                except TooManyParts:
                    parts = await self._take_apart(room, initial)
                    return await self.follow(
                        room, path, who, schema, initial, parts, is_made=is_made
                    )
            document.set_schema(schema, who.id)
            document.flush()
        await self._contents.settle(document)
        document = await self._rooms.room(room).open(path)
        if document.schema is None:
            raise NotFound(f"the document {path!r} was deleted meanwhile")
        return document

    async def _take_apart(self, room: str, data: bytes) -> tuple[Update, ...]:
        """The parts of what a document begins with: they are taken in one turn, with the schema."""
        found: list[Update] = []
        structs = 0
        async with aclosing(self._rooms.room(room).large.parts(data)) as parts:
            async for part in parts:
                found.append(part)
                structs += sum(len(section.offsets) for section in part.sections)
                if structs > _INITIAL_STRUCTS_MAX:
                    raise LimitExceeded(
                        f"the initial content has more than {_INITIAL_STRUCTS_MAX} parts; begin "
                        "with less, and add the rest"
                    )
        return tuple(found)

    async def begin(self, room: str, path: str, who: Participant) -> None:
        """Let a document that is new follow the schema for its extension, if there is one."""
        document = await self._rooms.room(room).open(path)
        schema = await self.find(room, path) if document.is_new else None
        if schema is not None:
            await self.follow(room, path, who, schema)

    async def take(self, room: str, path: str, who: Participant, text: str) -> bool:
        """Let a document follow a schema that is JSON text; whether that changed anything.

        Raises what `follow` raises, and `Conflict` where it follows another one.
        """
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            raise Malformed("the schema is no JSON") from None
        schema = take_schema(given, self._rooms.limits)
        had = (await self._rooms.room(room).open(path)).schema
        document = await self.follow(room, path, who, schema)
        if document.schema != schema:
            raise Conflict(f"the document {path!r} follows another schema already")
        return had is None

    async def _read_text(self, room: str, path: str) -> bytes:
        text: bytes = (await self._contents.export(room, path, "text")).value
        return text

    async def _check_kinds(self, room: str, path: str) -> None:
        """Raise `Conflict` where a document is an editor's: a schema would hide its content."""
        types = json.loads((await self._contents.export(room, path, "types")).value)
        others = [name for name in types if name not in (ROOT, ATTRIBUTES)]
        if others:
            raise Conflict(f"{path!r} is a document of another kind, with the root {others[0]!r}")


def place_of(path: str) -> str | None:
    """Where the schema for the extension of a path lies; None for a path without one."""
    extension = posixpath.splitext(path)[1][1:]
    return f"{FOLDER}/{extension}.json" if extension else None
