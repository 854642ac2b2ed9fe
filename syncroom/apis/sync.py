"""
Documents by path, over streams.  Grant: `sync`.

These are the documents that editors have open over other wires; here each has a schema, and a
client that opens one hears everybody's changes. The SDKs send back every update that they are
sent: what changes nothing is passed over, also where the sender may only read.
"""

from __future__ import annotations

import base64
import binascii
import logging
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import Field, JsonValue

from syncroom.apis.base import Caller, Request, Toolkit, denied, stream, tool
from syncroom.auth.paths import normalise
from syncroom.document.document import Outcome
from syncroom.document.log import EMPTY_UPDATE, EMPTY_VECTOR
from syncroom.errors import LimitExceeded, Malformed, TooManyParts, Unavailable
from syncroom.logs import about
from syncroom.protocol.meshagent import RESPONSE_CHUNK, Content, encode, json_content, pack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from syncroom.apis.calls import Stream
    from syncroom.auth.participant import Participant
    from syncroom.document.document import Change, Document
    from syncroom.document.large import LargeUpdates
    from syncroom.document.mesh_schema import MeshSchema
    from syncroom.document.peer import Peer, Wire
    from syncroom.errors import SyncroomError


_log = logging.getLogger("syncroom.apis.sync")


class Seats(Protocol):
    """A room, as far as this API needs it."""

    name: str
    large: LargeUpdates

    def seat(self, document: Document, peer: Peer) -> None:
        """Let a peer hear of a document."""

    def unseat(self, document: Document, peer: Peer) -> None:
        """The end of that."""


class SchemaDocuments(Protocol):
    """Documents with schemas."""

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
        """The document and its schema, made where there is none."""

    async def create(
        self,
        room: str,
        path: str,
        who: Participant,
        *,
        schema: object = None,
        initial: object = None,
    ) -> None:
        """Make a document where there is none."""

    async def describe(self, room: str, path: str, *, with_ids: bool = False) -> dict[str, Any]:
        """The content as JSON."""


class _Named(Request):
    path: str

    @property
    def place(self) -> str:
        """The path in its one spelling; raises `Malformed`."""
        return normalise(self.path)


class Create(_Named):
    """A document that is not there yet."""

    json_: dict[str, JsonValue] | None = Field(default=None, alias="json")
    schema_: dict[str, JsonValue] | None = Field(default=None, alias="schema")


class Describe(_Named):
    """A document to read."""

    include_ids: bool = False
    """Whether also by what the SDKs find elements; they don't ask for it."""


class Open(_Named):
    """A document to hear of."""

    kind: Literal["start"]
    create: bool = True
    vector: str | None = None
    """What the client holds already: a Yjs state vector, in base64."""
    schema_: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    initial_json: dict[str, JsonValue] | None = None


def _may_read(participant: Participant, request: _Named) -> bool:
    return participant.may_read(request.place)


def _may_write(participant: Participant, request: _Named) -> bool:
    return participant.may_write(request.place)


class Sync(Toolkit):
    """The documents of one room.

    Args:
        room: the room.
        documents: where its documents are.
        flush: returns when what arrived is on disk.
    """

    name: ClassVar = "sync"
    grant: ClassVar = "sync"

    def __init__(
        self, room: Seats, documents: SchemaDocuments, flush: Callable[[], Awaitable[None]]
    ) -> None:
        self._room = room
        self._documents = documents
        self._flush = flush

    @tool(Create, _may_write)
    async def create(self, caller: Caller, request: Create) -> None:
        """Make a document from JSON; raises `Conflict` where there is one."""
        await self._documents.create(
            self._room.name,
            request.place,
            caller.participant,
            schema=request.schema_,
            initial=request.json_,
        )

    @tool(Describe, _may_read)
    async def describe(self, caller: Caller, request: Describe) -> Content:
        """Tell a document as JSON."""
        place, with_ids = request.place, request.include_ids
        told = await self._documents.describe(self._room.name, place, with_ids=with_ids)
        return json_content(told)

    @stream(Open, _may_read)
    async def open(self, caller: Caller, request: Open, stream: Stream) -> None:
        """Pass changes on in both directions, until the client has done; then all is on disk."""
        vector = _read_vector(request.vector)
        document, schema = await self._documents.open(
            self._room.name,
            request.place,
            caller.participant,
            create=request.create,
            schema=request.schema_,
            initial=request.initial_json,
        )
        may_write = caller.participant.may_write(request.place)
        wire = _SyncWire(caller, stream.call.id, request.path, schema.given)
        reader = _Reader(caller, stream, document, wire, may_write, self._room.large)
        document.flush()  # what waits to be relayed is in the greeting, and must not come before it
        self._room.seat(document, reader)
        caller.readers.add(reader)
        try:
            reader.greet(vector)
            async for content in stream:
                await reader.take(content)
        finally:
            caller.readers.discard(reader)
            self._room.unseat(document, reader)
        await self._flush()


class _Reader:
    """One document on one stream. It is a `Peer`."""

    def __init__(
        self,
        caller: Caller,
        stream: Stream,
        document: Document,
        wire: Wire,
        may_write: bool,
        large: LargeUpdates,
    ) -> None:
        self.participant = caller.participant
        self.wire = wire
        self.client_id: int | None = None
        self.client_bytes = b""
        self.written = 0
        self._caller = caller
        self._stream = stream
        self._document = document
        self._may_write = may_write
        self._large = large
        self._error: SyncroomError | None = None
        """Why the document is no more."""
        self._lag_vector: bytes | None = None
        """While the client reads too slowly: the state vector up to which it was sent all."""

    def greet(self, vector: bytes) -> None:
        """Send what a client lacks that holds what a state vector says."""
        if self._document.lacks(self._document.read_vector(vector)):
            # it can't be asked for that; what it adds waits until the rest comes
            self._document.count_gap()
            where = about(path=self._document.path, participant=self.participant.id)
            _log.info("a client is ahead of the document", extra=where)
        answer = self._document.answer(self.wire, vector)
        self._caller.write(answer)

    async def take(self, content: Content) -> None:
        """Take a change; raises `Malformed`, `LimitExceeded`, `Denied`."""
        began, is_large = time.perf_counter(), False
        data = _read_update(content)
        if not data:
            return
        try:
            self._take(data)
        except TooManyParts:
            is_large = True
        finally:
            self._caller.spend(time.perf_counter() - began)
        if is_large:
            await self._take_parts(data)

    async def _take_parts(self, data: bytes) -> None:
        async with aclosing(self._large.parts(data)) as parts:
            async for part in parts:
                if self._error is not None:
                    raise self._error
                self._take(part)
                self._document.flush()

    def _take(self, change: Change) -> None:
        document = self._document
        if not self._may_write:
            if not document.knows(change):
                raise denied("this document is read only for you")
            return
        try:
            if isinstance(change, bytes):
                outcome = document.accept(self, change, live=True)
            else:
                outcome = document.accept_part(self, change, live=True)
        except Unavailable:
            if not document.knows(change):
                document.hold_over(self, change)  # SDKs never send it again
            return
        if outcome is Outcome.GAP:
            document.park(self, change)
        elif outcome is Outcome.FULL:
            raise LimitExceeded("this document is as large as it may be")

    def deliver(self, data: bytes) -> None:
        """Send what others did, unless the client lags: then one diff comes later."""
        if self._lag_vector is None:
            self._caller.write(data)

    def confirm(self, data: bytes) -> None:
        """These clients have no use for their own changes, and learn of the disk as they close."""

    def pause(self) -> None:
        """Remember from where on the client lags."""
        self._document.flush()
        self._lag_vector = self._document.vector()

    def resume(self) -> None:
        """Send what the client missed, as one update."""
        vector, self._lag_vector = self._lag_vector, None
        if vector is not None:
            self.greet(vector)

    def resync(self) -> None:
        """What could not be stored was held over, and is taken by now."""

    def fail(self, error: SyncroomError) -> None:
        """The document is no more."""
        self._error = error
        self._stream.fail(error)


class _SyncWire:
    """Updates as contents of one client's stream."""

    def __init__(self, caller: Caller, call_id: str, path: str, schema: object) -> None:
        self._caller = caller
        self._is_greeted = False
        self._first = _head(call_id, {"kind": "state", "path": path, "schema": schema})
        self._next = _head(call_id, {"kind": "sync", "path": path})

    def updates(self, updates: Sequence[bytes]) -> bytes:
        return b"".join([self._encode(self._next, data) for data in updates])

    def history(self, updates: Sequence[bytes]) -> bytes:
        return self.updates(updates)

    def answer(self, update: bytes) -> bytes:
        head = self._next if self._is_greeted else self._first
        self._is_greeted = True
        return self._encode(head, update)

    def presence(self, entries: bytes) -> bytes:
        return b""  # these clients have no presence in documents

    def _encode(self, head: bytes, update: bytes) -> bytes:
        payload = b"" if update == EMPTY_UPDATE else base64.b64encode(update)
        return encode(self._caller.next_number(), RESPONSE_CHUNK, head + payload)


def _head(call_id: str, headers: dict[str, object]) -> bytes:
    return pack({"tool_call_id": call_id, "chunk": {"type": "binary", "headers": headers}})


def _read_vector(text: str | None) -> bytes:
    return _unbase64(text.encode(), "a state vector") if text else EMPTY_VECTOR


def _read_update(content: Content) -> bytes:
    headers = content.header.get("headers")
    if content.kind != "binary" or not isinstance(headers, dict) or headers.get("kind") != "sync":
        raise Malformed("a content of the stream is no change of the document")
    return _unbase64(content.payload, "an update")


def _unbase64(text: bytes, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Malformed(f"{what} is not base64") from None
