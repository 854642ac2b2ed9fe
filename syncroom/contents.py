"""
Content of documents, for whoever has none of them open: REST and the command line.

What is read is what is relayed at this moment; of a document that nobody has open it is read from
the store, and the document is not opened: a search holds one at a time. What is changed is vetted,
relayed and stored like any client's update, under the participant who asked, and answered when it
is on disk. Native code reads and writes content in processes of its own; a record that it does not
survive is found, kept, and left out of what is read.
"""

from __future__ import annotations

import asyncio
import json
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from syncroom.document.author import publish, publish_large
from syncroom.document.culprit import Piece, find_culprit, read_piece, without
from syncroom.document.host import HostDied, ViewHosts
from syncroom.document.log import EMPTY_UPDATE, merge
from syncroom.document.peer import Author
from syncroom.document.state import DocumentState
from syncroom.errors import (
    Damaged,
    LimitExceeded,
    Malformed,
    NotFound,
    SyncroomError,
    TooManyParts,
    Unavailable,
)
from syncroom.fsck import Fsck
from syncroom.protocol.update import read_update
from syncroom.schemas import Schemas
from syncroom.store.base import Record
from syncroom.store.quarantine import Quarantined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncroom.auth.participant import Participant
    from syncroom.document.document import Document
    from syncroom.document.mesh_schema import MeshSchema
    from syncroom.rooms import Rooms
    from syncroom.store.base import Store, Trace
    from syncroom.store.quarantine import Quarantine

_QUARANTINED_MAX = 16
"""Records of one document; a document with more is not worth showing without them."""

FORMATS = ("update", "json", "text", "markdown", "xml", "types", "schema")
"""What a document can be read as: ``types`` tells the type of each of its roots."""

IMPORTED = {
    "update": "",
    "json": "set_json",
    "text": "set_text",
    "markdown": "set_text",
    "patch": "patch",
    "schema": "",
}
"""What a document can be made from; for most, what a view host is asked to do."""


class Content(NamedTuple):
    """Something that was read, or what became of a change."""

    value: Any
    incarnation: str
    quarantined: int
    """Records that it was read without."""
    left_out: tuple[str, ...] = ()
    """What does not fit the document's schema: where it is, and what."""


class _Snapshot(NamedTuple):
    """A document at one moment."""

    room: str
    path: str
    incarnation: str
    data: bytes
    schema: dict[str, Any] | None

    @property
    def arguments(self) -> dict[str, Any]:
        """What a view host has to know of it."""
        return {} if self.schema is None else {"schema": self.schema}


class Contents:
    """The content of the documents of one server.

    Args:
        rooms: the rooms.
        store: where their documents are kept.
        quarantine: where records go that native code does not survive.
    """

    def __init__(self, rooms: Rooms, store: Store, quarantine: Quarantine) -> None:
        self.hosts = ViewHosts(rooms.limits)
        self._rooms = rooms
        self._store = store
        self._limits = rooms.limits
        self._quarantine = quarantine
        self.schemas = Schemas(self, rooms)
        self.fsck = Fsck(store, self.hosts, quarantine, rooms.limits)
        self._searches: dict[str, asyncio.Task[None]] = {}
        """For a history, the search for what ends its readers."""

    async def close(self) -> None:
        """End the processes."""
        await self.hosts.close()

    async def export(self, room: str, path: str, form: str, root: str | None = None) -> Content:
        """A document in one of `FORMATS`, as bytes.

        Raises `NotFound` also where the document has no such root, and `Malformed` where it can't
        be told or can't be written in that format.
        """
        if form not in FORMATS:
            raise Malformed(f"the format {form!r} is none of {', '.join(FORMATS)}")
        if form == "update":
            snapshot = await self._snapshot(room, path)
            return Content(snapshot.data, snapshot.incarnation, 0)
        if form == "schema":
            content = await self._read_schema(room, path)
        elif form == "json":
            content = await self.read_json(room, path)
        else:
            content = await self._read(await self._snapshot(room, path), form, {"root": root})
        value = content.value
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return content._replace(value=text.encode())

    async def read_json(
        self, room: str, path: str, schema: MeshSchema | None = None, *, with_ids: bool = False
    ) -> Content:
        """A document as JSON: by its schema, by the one that is given where it has none, or plain.

        By a schema, the ids of elements may be among it. Raises `NotFound`, and what reading
        raises.
        """
        snapshot = await self._snapshot(room, path)
        if snapshot.schema is None and schema is not None:
            snapshot = snapshot._replace(schema=schema.given)
        if snapshot.schema is None:
            return await self._read(snapshot, "json", {})
        content = await self._read(snapshot, "mesh", {"with_ids": with_ids})
        left_out = tuple(content.value["left_out"])
        return content._replace(value=content.value["json"], left_out=left_out)

    async def take(
        self, room: str, path: str, who: Participant, form: str, body: bytes, root: str | None
    ) -> Content:
        """Make a document what some bytes say, in one of `IMPORTED`; the value says if it changed.

        A Yjs update is merged; a schema is what the document follows from now on; all else becomes
        edits of what is there, or a new document. Raises `Malformed` also where an update builds on
        what the document lacks, and `Conflict` where a document follows another schema already.
        """
        if form not in IMPORTED:
            raise Malformed(f"the format {form!r} is none of {', '.join(IMPORTED)}")
        if form == "update":
            document = await self._rooms.room(room).open(path)
            return await self._publish(room, document, who, body)
        if form == "patch":
            await self._open(room, path)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise Malformed("the content is not UTF-8") from None
        if form == "schema":
            is_changed = await self.schemas.take(room, path, who, text)
            return Content(is_changed, (await self._open(room, path)).incarnation, 0)
        if form == "json":
            await self.schemas.begin(room, path, who)
        return await self._edit(room, path, who, IMPORTED[form], {"content": text, "root": root})

    async def begin(self, content: bytes | str | Mapping[str, Any]) -> bytes | None:
        """The update of a new document with some content; None if that is empty.

        A text becomes the one named ``content``, an object the root types of its keys. Raises
        `Malformed`, `LimitExceeded`, and `TypeError` or `ValueError` for what JSON can't hold.
        """
        if isinstance(content, bytes):
            data = content
        elif isinstance(content, str):
            data = await self._make("set_text", content)
        else:
            data = await self._make("set_json", json.dumps(dict(content), allow_nan=False))
        if not data:
            return None
        allowed = self._limits.document_bytes_max
        if len(data) > allowed:
            raise LimitExceeded(f"the document would be larger than {allowed} bytes")
        if DocumentState().gap(read_update(data, self._limits.value_depth_max)) is not None:
            raise Malformed("the update builds on changes that a new document does not have")
        return data

    async def delete(self, room: str, path: str) -> None:
        """End a document: its sessions, its history, its bytes; raises `NotFound`."""
        await self._rooms.room(room).delete(path)

    async def search(
        self, room: str, paths: Sequence[str], query: str, *, is_regex: bool
    ) -> dict[str, Any]:
        """For each path where something stands, the places; for what can't be read, why."""
        found: dict[str, Any] = {}
        arguments = {"query": query, "is_regex": is_regex}
        for path in paths:
            try:
                content = await self._read(await self._snapshot(room, path), "search", arguments)
            except (Malformed, LimitExceeded):
                raise
            except SyncroomError as error:
                found[path] = {"error": {"code": error.code, "message": str(error)}}
                continue
            if content.value:
                found[path] = {"hits": content.value}
        return found

    async def _read(self, snapshot: _Snapshot, op: str, arguments: dict[str, Any]) -> Content:
        data = snapshot.data
        quarantined = self._quarantine.of(snapshot.incarnation)
        if quarantined:
            pieces = _pieces(quarantined)
            data = await asyncio.to_thread(without, data, pieces, self._limits.value_depth_max)
        try:
            answer = await self.hosts.call(op, data, **snapshot.arguments, **arguments)
        except HostDied as death:
            await self._explain(snapshot, death, len(quarantined))
            return await self._read(snapshot, op, arguments)
        return Content(answer.value, snapshot.incarnation, len(quarantined))

    async def _edit(
        self, room: str, path: str, who: Participant, op: str, arguments: dict[str, Any]
    ) -> Content:
        document = await self._rooms.room(room).open(path)
        if self._quarantine.of(document.incarnation):
            raise Damaged(
                f"{path!r} is read without records in quarantine, so it is not edited here; "
                "editors and Yjs updates still can"
            )
        snapshot = _of(room, document)
        try:
            answer = await self.hosts.call(op, snapshot.data, **snapshot.arguments, **arguments)
        except HostDied as death:
            await self._explain(snapshot, death, 0)
            return await self._edit(room, path, who, op, arguments)
        # It may have left memory meanwhile, or have been deleted.
        again = await self._rooms.room(room).open(path)
        if again.incarnation != document.incarnation and not document.is_new:
            raise NotFound(f"the document {path!r} was deleted meanwhile")
        ends = [0, *accumulate(answer.value)]
        updates = [answer.data[start:end] for start, end in pairwise(ends)]
        return await self._publish(room, again, who, *updates)

    async def _make(self, op: str, content: str) -> bytes:
        answer = await self.hosts.call(op, EMPTY_UPDATE, content=content, root=None)
        return answer.data

    async def _open(self, room: str, path: str) -> Document:
        document = await self._rooms.room(room).open(path)
        if document.is_new:
            raise NotFound(f"there is no document {path!r}")
        return document

    async def _snapshot(self, room: str, path: str) -> _Snapshot:
        """A document as it is, or as it is stored; raises `NotFound`, `Damaged`, `Unavailable`."""
        document = self._rooms.find(room, path)
        if document is not None:
            if document.is_new:
                raise NotFound(f"there is no document {path!r}")
            return _of(room, document)
        stored = await self._store.load(room, path)
        if stored is None:
            raise NotFound(f"there is no document {path!r}")
        data = await asyncio.to_thread(merge, stored.updates)
        schema = json.loads(stored.schema) if stored.schema else None
        return _Snapshot(room, path, stored.incarnation, data, schema)

    async def _publish(
        self, room: str, document: Document, who: Participant, *updates: bytes
    ) -> Content:
        try:
            is_changed = publish(document, who, *updates)
        except TooManyParts:
            author, here = Author(who), self._rooms.room(room)
            with here.borrow(document, author):
                done = [await publish_large(document, author, x, here.large) for x in updates]
            is_changed = any(done) or len(updates) > 1  # some may have been taken before
        await self.settle(document)
        return Content(is_changed, document.incarnation, 0)

    async def settle(self, document: Document) -> None:
        """Return when all that a document has is on disk; raises `Unavailable`."""
        await self._rooms.flush()
        if document.failure is not None:
            raise Unavailable(document.failure)

    async def _read_schema(self, room: str, path: str) -> Content:
        snapshot = await self._snapshot(room, path)
        if snapshot.schema is None:
            raise NotFound(f"the document {path!r} follows no schema")
        return Content(snapshot.schema, snapshot.incarnation, 0)

    async def _explain(self, snapshot: _Snapshot, death: HostDied, known: int) -> None:
        """Quarantine what ends hosts, or raise why the request can't be answered."""
        key = snapshot.incarnation
        if key not in self._searches:
            search = self._search(snapshot, death)
            self._searches[key] = asyncio.get_running_loop().create_task(search)
            self._searches[key].add_done_callback(lambda _: self._searches.pop(key))
        await asyncio.shield(self._searches[key])
        if len(self._quarantine.of(key)) <= known:
            kind: Callable[[str], SyncroomError] = LimitExceeded if death.is_spent else Damaged
            raise kind(f"the content of {snapshot.path!r} can't be read: {death}")

    async def _search(self, snapshot: _Snapshot, death: HostDied) -> None:
        room, path, incarnation, *_ = snapshot
        await self._rooms.flush()
        stored = await self._store.load(room, path)
        if stored is None or stored.incarnation != incarnation:
            return
        traces = await self._store.traces(room, path)
        known = self._quarantine.of(incarnation)
        if len(known) >= _QUARANTINED_MAX:
            return
        depth_max = self._limits.value_depth_max
        pieces = [Piece(each.written, each.deleted) for each in traces[: stored.base_seq]]
        pieces += [read_piece(record.updates, depth_max) for record in stored.records]
        merged = await asyncio.to_thread(merge, stored.updates)
        index = await find_culprit(self.hosts, merged, pieces, _pieces(known), self._limits)
        if index is None:
            return
        sources: list[Trace | Record] = [*traces[: stored.base_seq], *stored.records]
        source = sources[index]
        record = Quarantined(
            room=room,
            path=path,
            incarnation=incarnation,
            seq=index + 1,
            time_ms=source.time_ms,
            participant=source.participant,
            written=pieces[index].written,
            deleted=pieces[index].deleted,
            updates=tuple(map(bytes.hex, source.updates)) if isinstance(source, Record) else (),
            reason=str(death),
        )
        await asyncio.to_thread(self._quarantine.add, record)


def _of(room: str, document: Document) -> _Snapshot:
    schema = None if document.schema is None else document.schema.given
    return _Snapshot(room, document.path, document.incarnation, document.whole(), schema)


def _pieces(records: Sequence[Quarantined]) -> list[Piece]:
    return [Piece(record.written, record.deleted) for record in records]
