"""
What a room keeps of its documents beside their content: who wrote in those that were deleted, and
the updates that wait for what they build on.

The first is kept for ever, so that nobody brings back what was deleted. The others go with their
document, or into it.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from syncroom.document.log import EMPTY_UPDATE
from syncroom.errors import Damaged
from syncroom.logs import about
from syncroom.protocol import varint
from syncroom.protocol.update import read_update
from syncroom.store.base import FOR_EVER, Item

if TYPE_CHECKING:
    from syncroom.document.document import Document
    from syncroom.limits import Limits
    from syncroom.store.base import Store, StoredDocument

_PARKED = "parked:"
"""What the store keeps of the updates that wait for what they build on stands under this and the
path of their document; under `FOR_EVER` and a path, who wrote in documents that were there."""

_log = logging.getLogger("syncroom.room")


class Remains:
    """The same, of one room. Whatever reads or writes it raises `Unavailable`, `Damaged`."""

    def __init__(self, room: str, store: Store, limits: Limits) -> None:
        self._room = room
        self._store = store
        self._depth_max = limits.value_depth_max
        self._keepings: set[asyncio.Task[None]] = set()
        """Parked updates on their way to the disk."""

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way to the disk."""
        return bool(self._keepings)

    async def restore(self, document: Document) -> None:
        """Go on with updates that wait for what they build on; from now on they are kept."""
        api = _PARKED + document.path
        document.parked.restore(await self._store.items(self._room, api))
        document.parked.keep = partial(self._keep, api)
        document.heal()

    async def forget_parked(self, path: str) -> None:
        """Take away what waits for a document that was deleted."""
        if self._keepings:
            await asyncio.wait(self._keepings)
        parked = await self._store.items(self._room, _PARKED + path)
        keys = [(item.name, item.number) for item in parked]
        await self._store.change_items(self._room, _PARKED + path, (), keys)

    async def note_end(self, path: str) -> None:
        """Keep who wrote in a document, before it is deleted: they may come back with it."""
        try:
            stored = await self._store.load(self._room, path)
        except Damaged as error:
            _log.warning("deleted unread: %s", error, extra=about(room=self._room, path=path))
            return
        if stored is not None:
            clients = await self.ended(path) | await asyncio.to_thread(self._writers, stored)
            item = Item("", 0, b"".join(map(varint.encode, sorted(clients))))
            await self._store.change_items(self._room, FOR_EVER + path, [item])

    async def note_all(self) -> None:
        """The same, of all documents of a room that is to be deleted."""
        for document in await self._store.documents(self._room):
            await self.note_end(document.path)

    async def ended(self, path: str) -> frozenset[int]:
        """The client ids that wrote in documents of a path that were deleted."""
        items = await self._store.items(self._room, FOR_EVER + path)
        return frozenset(varint.decode_all(items[0].value)) if items else frozenset()

    def _writers(self, stored: StoredDocument) -> frozenset[int]:
        base = read_update(stored.base or EMPTY_UPDATE, self._depth_max)
        clients = [client for record in stored.records for client in record.clients]
        return frozenset(clients).union(section.client for section in base.sections)

    def _keep(self, api: str, put: list[Item], drop: list[tuple[str, int]]) -> None:
        change = self._store.change_items(self._room, api, put, drop)
        keeping = asyncio.get_running_loop().create_task(change)
        self._keepings.add(keeping)
        keeping.add_done_callback(self._kept)

    def _kept(self, keeping: asyncio.Task[None]) -> None:
        self._keepings.discard(keeping)
        if not keeping.cancelled() and keeping.exception() is not None:
            _log.error("what waits for its base is in memory only: %s", keeping.exception())
