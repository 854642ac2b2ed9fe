"""
One room: its documents, opened when somebody asks and unloaded when nobody has them open, and the
participants that are here.

A document is loaded once at a time, and served only when it was read back whole. One that could
not be read is refused, never replaced by an empty one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
import uuid
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from syncroom.allowances import Allowances
from syncroom.apis.participants import Participants
from syncroom.auth.paths import is_reserved
from syncroom.document.document import Document
from syncroom.document.log import merge
from syncroom.document.mesh_schema import read_schema
from syncroom.errors import Conflict, Damaged, LimitExceeded, Malformed, NotFound, Unavailable
from syncroom.logs import about
from syncroom.protocol.meshagent import STATUS
from syncroom.remains import Remains
from syncroom.store.base import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncroom.apis.base import Caller
    from syncroom.apis.registry import Registry
    from syncroom.document.document import Keep
    from syncroom.document.large import LargeUpdates
    from syncroom.document.peer import Author, Peer
    from syncroom.document.turns import Turns
    from syncroom.errors import SyncroomError
    from syncroom.hook_runner import HookRunner
    from syncroom.limits import Limits
    from syncroom.metrics import Metrics
    from syncroom.store.base import Refusal, Store, StoredDocument

    Equip = Callable[["Room"], Registry]
    """Makes the APIs of a room."""

_log = logging.getLogger("syncroom.room")


def now_ms() -> int:
    """The time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Room:
    """One room of a server. Lives on one event loop."""

    def __init__(
        self,
        name: str,
        store: Store,
        limits: Limits,
        metrics: Metrics,
        *,
        turns: Turns,
        equip: Equip,
        hooks: HookRunner,
        large: LargeUpdates,
        on_idle: Callable[[Room], None],
    ) -> None:
        self.name = name
        self.large = large
        """Takes updates apart that can't be read at once."""
        self.session_id = str(uuid.uuid4())
        """Another one each time that the room comes to life."""
        self.documents: dict[str, Document] = {}
        self.participants = Participants()
        self.metrics = metrics
        self.allowances = Allowances(limits.cpu_share_max)
        self._store = store
        self.limits = limits
        self._hooks = hooks
        self._on_idle = on_idle
        self._loop = asyncio.get_running_loop()
        self._turns = turns
        self._loads: dict[str, asyncio.Task[Document]] = {}
        self._deletions: dict[str, asyncio.Task[None]] = {}
        self._remains = Remains(name, store, limits)
        self.on_growth: Callable[[str, str], None] | None = None
        """Called with its name and the path of a document that compacting is worth it for."""
        self.on_arrival: Callable[[], None] | None = None
        """Called when somebody comes in; raises where nobody may."""
        self.occupied_since_ms = 0
        """When the first of those came that are here; 0 while nobody is."""
        self.is_kept = False
        """Whether it stays in use while nobody is here."""
        self._connections = 0
        self._document_count: int | None = None
        """Documents on disk, and new ones; not known before somebody opens a new one."""
        self._look: asyncio.TimerHandle | None = None
        self.apis = equip(self)
        self._maps = {each.path: each for each in (self.participants.map, *self.apis.maps)}
        self._rest_later()

    def find(self, path: str) -> Document | None:
        """The document at a normalised path, if it takes no reading; raises `NotFound`."""
        if path not in self.documents and is_reserved(path):
            self._open_reserved(path)
        return self.documents.get(path)

    def is_open(self, path: str) -> bool:
        """Whether somebody has the document at a path open, or is about to; it may be new."""
        document = self.documents.get(path)
        return path in self._loads or (document is not None and bool(document.peers))

    def load(self, path: str) -> asyncio.Task[Document]:
        """Read the document at a path that `find` did not find.

        However many ask, it is read once. The task raises `Damaged`, `Unavailable`, and what the
        hook ``on_load`` does.
        """
        if path not in self._loads:
            self._loads[path] = self._loop.create_task(self._load(path))
            self._loads[path].add_done_callback(partial(self._loaded, path))
        return self._loads[path]

    async def open(self, path: str) -> Document:
        """The document at a path, read if need be; raises `NotFound`, `Damaged`, `Unavailable`."""
        document = self.find(path)
        return document if document is not None else await asyncio.shield(self.load(path))

    async def delete(self, path: str) -> None:
        """End a document with its history: its peers have to leave, and its bytes go.

        Whoever opens the path while that goes on waits, and then begins a new document. Raises
        `NotFound`, `Unavailable`.
        """
        if path not in self._deletions:
            self._deletions[path] = self._loop.create_task(self._delete(path))
            self._deletions[path].add_done_callback(partial(self._deleted, path))
        await asyncio.shield(self._deletions[path])

    async def end(self) -> None:
        """Let go of every document, and of those that are being read; what arrived is stored."""
        while self._loads or self._deletions:
            await asyncio.wait([*self._loads.values(), *self._deletions.values()])
        for document in list(self.documents.values()):
            document.flush()
            self._dismiss(document, NotFound(f"the room {self.name!r} was deleted"))

    def drop(self, refusal: Refusal) -> None:
        """Let go of a document that can't be stored any more: what it holds is not saved.

        Its peers have to leave; who comes back gets what is stored, or is told what is wrong.
        """
        document = self.documents.get(refusal.path)
        if document is not None and document.incarnation == refusal.incarnation:
            reason = f"the document {document.path!r} can't be stored: {refusal.reason}"
            document.set_failure(reason)
            self._dismiss(document, Unavailable(reason))
            self._rest()

    def join(self, document: Document, peer: Peer) -> None:
        """Seat a peer at an open document; raises `Unavailable` where the room is full."""
        self._count_in()
        self.seat(document, peer)
        self.participants.join(peer.participant)

    def leave(self, document: Document, peer: Peer) -> None:
        """Unseat a peer; a document that nobody has open leaves memory after a while."""
        self._count_out()
        self.participants.leave(peer.participant)
        self.unseat(document, peer)

    def enter(self, member: Caller) -> None:
        """Take in a participant that calls tools; raises `Unavailable` where the room is full."""
        self._count_in()
        self.participants.enter(member)
        self._hooks.joined(self.name, "", member.participant)

    def exit(self, member: Caller) -> None:
        """Let such a participant go, with all that it has here."""
        self._count_out()
        self.participants.exit(member)
        self._hooks.left(self.name, "", member.participant)
        self.apis.leave(member)
        self._rest_later()

    def describe(self, member: Caller, attributes: dict[str, Any]) -> None:
        """Take what a participant that calls tools newly says of itself; its name stays."""
        known = {name: json.dumps(value) for name, value in member.attributes.items()}
        changed = {
            name: value
            for name, value in attributes.items()
            if name != "name" and known.get(name) != json.dumps(value)
        }
        if not changed:
            return
        described = {**member.attributes, **changed}
        size, allowed = len(json.dumps(described)), self.limits.presence_bytes_max
        if size > allowed:
            raise LimitExceeded(f"the attributes have {size} bytes, {allowed} are allowed")
        member.attributes = described
        self.participants.show(member)
        self.apis.messaging.change(member, changed)

    @property
    def status(self) -> dict[str, str]:
        """Whether changes are taken, in the words for participants."""
        failure = self._store.failure
        if failure is None:
            return {"status": "ready", "message": "changes are saved"}
        return {"status": "read_only", "message": f"nothing can be saved at present: {failure}"}

    def tell_status(self) -> None:
        """Tell the participants that call tools whether changes are taken."""
        for member in list(self.participants.members.values()):
            member.send(STATUS, self.status)

    def seat(self, document: Document, peer: Peer) -> None:
        """Let a participant that is counted already hear of a document."""
        document.join(peer)
        self._hooks.joined(self.name, document.path, peer.participant)

    def unseat(self, document: Document, peer: Peer) -> None:
        """The end of that."""
        document.leave(peer)
        self._hooks.left(self.name, document.path, peer.participant)
        if not document.peers:
            self._unload_later(document)

    @contextmanager
    def borrow(self, document: Document, author: Author) -> Iterator[None]:
        """Keep a document in memory for somebody who changes it and does not hear of it."""
        document.join(author)
        try:
            yield
        finally:
            document.leave(author)
            if not document.peers:
                self._unload_later(document)

    def _count_in(self) -> None:
        if self.on_arrival is not None:
            self.on_arrival()
        allowed = self.limits.room_connections_max
        if self._connections >= allowed:
            raise Unavailable(
                f"the room has {allowed} connections, as many as it may have; try again later"
            )
        if self._connections == 0:
            self.occupied_since_ms = now_ms()
        self._connections += 1

    def _count_out(self) -> None:
        self._connections -= 1
        if self._connections == 0:
            self.occupied_since_ms = 0

    async def _load(self, path: str) -> Document:
        began = self._loop.time()
        if path in self._deletions:
            await asyncio.wait([self._deletions[path]])
        stored = await self._store.load(self.name, path)
        is_new = stored is None
        if is_new:
            await self._check_documents()
            if await self.apis.occupies(path):
                raise Conflict(f"there is a file at {path!r}; delete it, or open another path")
            initial = await self._hooks.initial_content(self.name, path)
            if initial is not None:
                record = Record(now_ms(), "", (), (initial,))
                incarnation = secrets.token_hex(16)
                stored = await self._store.create(self.name, path, incarnation, record)
        incarnation = stored.incarnation if stored else secrets.token_hex(16)
        document = self._document(path, incarnation)
        if stored is not None:
            await self._loop.run_in_executor(None, self._restore, document, stored)
        document.ended = await self._remains.ended(path)
        document.set_failure(self._store.failure)
        await self._remains.restore(document)
        self.documents[path] = document
        if is_new and self._document_count is not None:
            self._document_count += 1
        self._note_load(document, self._loop.time() - began)
        self._unload_later(document)
        return document

    async def _delete(self, path: str) -> None:
        loading = self._loads.get(path)
        if loading is not None:
            await asyncio.wait([loading])
        if self._store.failure is not None:
            raise Unavailable(f"nothing can be deleted at present: {self._store.failure}")
        document = self.documents.get(path)
        if document is not None:
            document.flush()
            self._dismiss(document, NotFound(f"the document {path!r} was deleted"))
        await self._remains.note_end(path)
        if not await self._store.delete(self.name, path):
            raise NotFound(f"there is no document {path!r}")
        await self._remains.forget_parked(path)
        self._hooks.forget(self.name, path)
        if self._document_count is not None:
            self._document_count -= 1
        _log.info("deleted a document", extra=about(room=self.name, path=path))

    def _dismiss(self, document: Document, error: SyncroomError) -> None:
        del self.documents[document.path]
        for peer in list(document.peers):
            peer.fail(error)

    def _deleted(self, path: str, deletion: asyncio.Task[None]) -> None:
        del self._deletions[path]
        if not deletion.cancelled():
            deletion.exception()  # whoever asked may be gone
        self._rest()

    async def _check_documents(self) -> None:
        """Raise `Unavailable` where the room has as many documents as it may have."""
        if self._document_count is None:
            count = len(await self._store.documents(self.name))
            if self._document_count is None:  # another may have counted meanwhile
                self._document_count = count
        allowed = self.limits.room_documents_max
        if self._document_count >= allowed:
            raise Unavailable(
                f"the room has {allowed} documents, as many as it may have; no new one can be made"
            )

    def _note_load(self, document: Document, seconds: float) -> None:
        self.metrics.load.observe(seconds)
        _log.info(
            "loaded a document",
            extra=about(
                room=self.name,
                path=document.path,
                bytes=document.stored_bytes,
                ms=round(seconds * 1000, 1),
            ),
        )

    def _loaded(self, path: str, loading: asyncio.Task[Document]) -> None:
        del self._loads[path]
        if not loading.cancelled():
            loading.exception()  # nobody may be left to ask for it
        self._rest()

    def _document(self, path: str, incarnation: str) -> Document:
        keep: Keep = partial(self._store.append, self.name, path, incarnation)
        document = Document(
            path,
            incarnation,
            keep=self._hooks.watched(self.name, path, keep),
            limits=self.limits,
            metrics=self.metrics,
            turns=self._turns,
            now_ms=now_ms,
        )
        document.on_growth = partial(self._grown, path)
        return document

    def _restore(self, document: Document, stored: StoredDocument) -> None:
        updates = stored.updates
        try:
            document.restore(merge(updates))
            document.stored_bytes = sum(map(len, updates))
            document.growth.begin(stored)
            if stored.schema:
                document.schema = read_schema(json.loads(stored.schema))
        except (Malformed, ValueError) as error:
            raise Damaged(
                f"the document {document.path!r} of room {self.name!r} can't be read: {error}"
            ) from error

    def _open_reserved(self, path: str) -> None:
        live_map = self._maps.get(path)
        if live_map is None:
            raise NotFound(f"there is no document {path!r}")
        document = live_map.document_class(
            path,
            secrets.token_hex(16),
            keep=None,
            limits=self.limits,
            metrics=self.metrics,
            turns=self._turns,
            now_ms=now_ms,
        )
        live_map.watch(document)
        self.documents[path] = document
        self._unload_later(document)

    def _unload_later(self, document: Document) -> None:
        self._loop.call_later(self.limits.idle_document_s, self._unload, document)

    def _unload(self, document: Document) -> None:
        if document.peers or self.documents.get(document.path) is not document:
            return
        if document.unsaved or self._remains.is_busy or document.failure is not None:
            self._unload_later(document)
            return
        del self.documents[document.path]
        if document.path in self._maps:
            self._maps[document.path].unwatch()
        elif document.stored_bytes == 0 and self._document_count is not None:
            self._document_count -= 1  # it was new, and nobody wrote anything
        elif document.growth.is_due_at_rest:
            self._grown(document.path)
        _log.info("unloaded a document", extra=about(room=self.name, path=document.path))
        self._rest()

    def _grown(self, path: str) -> None:
        if self.on_growth is not None:
            self.on_growth(self.name, path)

    def _rest_later(self) -> None:
        """Look after a while whether the room is in use: who asks over HTTP never comes in, and
        what a participant has begun goes on for a moment when it has left."""
        if self._look is not None:
            self._look.cancel()
        self._look = self._loop.call_later(self.limits.idle_document_s, self._rest)

    def _rest(self) -> None:
        """Let the room itself be forgotten when nothing of it is in use."""
        if not (
            self.is_kept
            or self.documents
            or self._loads
            or self._deletions
            or len(self.participants)
        ):
            self._on_idle(self)
