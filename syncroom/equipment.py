"""What the APIs of rooms are made from: the parts of a server that they share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from syncroom.apis.agents import Agents
from syncroom.apis.messaging import Messaging
from syncroom.apis.queues import Queues
from syncroom.apis.registry import Registry
from syncroom.apis.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from syncroom.apis.queues import Keep, Load
    from syncroom.apis.sync import SchemaDocuments
    from syncroom.room import Room
    from syncroom.store.base import Store
    from syncroom.webhooks import Webhooks


class Equipment:
    """Makes the APIs of a room.

    Args:
        store: where APIs keep what has to last.
        documents: documents with schemas.
        webhooks: calls agents elsewhere.
        flush: returns when what arrived is on disk.
    """

    def __init__(
        self,
        store: Store,
        documents: SchemaDocuments,
        webhooks: Webhooks,
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._documents = documents
        self._webhooks = webhooks
        self._flush = flush

    def registry(self, room: Room) -> Registry:
        """The APIs of one room."""
        here = room.participants
        return Registry(
            Messaging(here.members, here.is_editor, room.limits),
            Agents(partial(self._webhooks.call, room.name)),
            Sync(room, self._documents, self._flush),
            Queues(*self._kept(room, Queues.name), room.limits),
        )

    def _kept(self, room: Room, api: str) -> tuple[Load, Keep]:
        """How an API reads and writes what it keeps."""
        read, change = self._store.items, self._store.change_items
        return partial(read, room.name, api), partial(change, room.name, api)
