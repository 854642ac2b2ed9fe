"""All rooms of a server: found by name, made when first asked for, forgotten when idle."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from syncroom.apis.agents import Agents
from syncroom.apis.developer import Developer
from syncroom.apis.messaging import Messaging
from syncroom.apis.registry import Registry
from syncroom.catalogue import Catalogue
from syncroom.document.compactor import Compactor
from syncroom.document.large import LargeUpdates
from syncroom.document.turns import Turns
from syncroom.errors import Disabled, Misconfigured, NotFound, SyncroomError, Unavailable
from syncroom.hook_runner import HookRunner
from syncroom.hooks import Hooks
from syncroom.metrics import Metrics
from syncroom.remains import Remains
from syncroom.room import Room

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from syncroom.apis.agents import CallAgent
    from syncroom.apis.base import Caller
    from syncroom.document.document import Document
    from syncroom.limits import Limits
    from syncroom.room import Equip
    from syncroom.store.base import DocumentInfo, Refusal, RoomInfo, Store


def talk_only(room: Room) -> Registry:
    """The APIs that take nothing but the room: messages, and toolkits that participants host."""
    here = room.participants
    return Registry(
        Messaging(here.members, here.is_editor, room.limits), Agents(_dial_nobody, room.limits)
    )


async def _dial_nobody(caller: Caller, request: CallAgent) -> None:
    raise Misconfigured("agents elsewhere can't be called here")


class Rooms:
    """The rooms that one process owns.

    Args:
        store: where their documents are kept, open.
        limits: the bounds of the server.
        hooks: what the program around the server takes part in; None for nothing.
    """

    def __init__(self, store: Store, limits: Limits, hooks: HookRunner | None = None) -> None:
        self.limits = limits
        self.metrics = Metrics()
        self._store = store
        self._turns = Turns(asyncio.get_running_loop())
        self._hooks = hooks or HookRunner(Hooks(), limits)
        self.catalogue = Catalogue(store, limits)
        self.large = LargeUpdates(limits)
        self.on_dismissal: Callable[[str, SyncroomError], None] | None = None
        """Called with the name of a room that everybody has to leave, and why."""
        self.equip: Equip = talk_only
        """Makes the APIs of a room; to be set before there is one."""
        self.on_ending: Callable[[str], None] | None = None
        """Called with the name of a room that is deleted now: nothing is to be kept for it."""
        self.on_deletion: Callable[[str], Awaitable[None]] | None = None
        """Called with the name of a room whose documents are gone."""
        self._rooms: dict[str, Room] = {}
        self._ending: set[str] = set()
        """The names of rooms that are being deleted."""
        self.compactor = Compactor(store, limits, self.find)
        store.on_failure = self._set_failure
        store.on_refusal = self._drop

    @property
    def failure(self) -> str | None:
        """Why nothing can be written at present; None when all is well."""
        return self._store.failure

    @property
    def count(self) -> int:
        """How many rooms are in use."""
        return len(self._rooms)

    @property
    def open_documents(self) -> list[Document]:
        """The documents of all rooms that are in memory."""
        return [document for room in self._rooms.values() for document in room.documents.values()]

    async def open(self) -> None:
        """Learn which rooms are disabled; raises `Damaged`, `Unavailable`."""
        await self.catalogue.open()

    def is_disabled(self, name: str) -> bool:
        """Whether nobody may come into a room."""
        return name in self.catalogue.disabled

    def check(self, name: str) -> None:
        """Raise why nobody may come into a room now: `Disabled`, `Unavailable`."""
        if self.is_disabled(name):
            raise Disabled("this room is disabled at present")
        self._check_ending(name)

    def room(self, name: str) -> Room:
        """The room of a name; raises `Unavailable` while it is being deleted."""
        self._check_ending(name)
        if name not in self._rooms:
            self._rooms[name] = Room(
                name,
                self._store,
                self.limits,
                self.metrics,
                turns=self._turns,
                equip=self.equip,
                hooks=self._hooks,
                large=self.large,
                on_idle=self._forget,
            )
            self._rooms[name].on_growth = self.compactor.want
            self._rooms[name].on_arrival = partial(self._arrive, name)
        return self._rooms[name]

    def note(self, name: str, kind: str, data: dict[str, Any]) -> None:
        """Put an entry into the log of a room, if the room is in use and has one."""
        log = self._rooms[name].apis.toolkits.get(Developer.name) if name in self._rooms else None
        if isinstance(log, Developer):
            log.note(kind, data)

    def find(self, room: str, path: str) -> Document | None:
        """The document of a room at a path, if it is in memory."""
        return self._rooms[room].documents.get(path) if room in self._rooms else None

    def is_open(self, room: str, path: str) -> bool:
        """Whether somebody has the document of a room at a path open, or is about to."""
        return room in self._rooms and self._rooms[room].is_open(path)

    def occupied_since_ms(self, name: str) -> int:
        """When the first of those came into a room that are in it; 0 while nobody is."""
        return self._rooms[name].occupied_since_ms if name in self._rooms else 0

    async def change(self, id: str, changes: dict[str, Any]) -> RoomInfo:
        """Change ``metadata``, ``annotations`` or ``is_enabled`` of a room.

        Whoever is in a room that is disabled has to leave. Raises `NotFound`, `LimitExceeded`,
        `Unavailable`, `Damaged`.
        """
        room = await self.catalogue.change(id, changes)
        if not room.is_enabled:
            self._dismiss(room.name, Disabled("this room was disabled"))
        return room

    async def delete(self, name: str) -> None:
        """End a room with its documents: everybody has to leave, and its bytes go.

        Raises `NotFound`, `Unavailable`.
        """
        self._check_ending(name)
        if self.failure is not None:
            raise Unavailable(f"nothing can be deleted at present: {self.failure}")
        self._ending.add(name)
        try:
            self._dismiss(name, NotFound(f"the room {name!r} was deleted"))
            room = self._rooms.pop(name, None)
            if self.on_ending is not None:
                self.on_ending(name)
            if room is not None:
                await room.end()
            await Remains(name, self._store, self.limits).note_all()
            await self.catalogue.delete(name)
            self._hooks.forget_room(name)
            if self.on_deletion is not None:
                await self.on_deletion(name)
        finally:
            self._ending.discard(name)

    async def documents(self, name: str) -> list[DocumentInfo]:
        """The documents that a room has on disk, by path."""
        return await self._store.documents(name)

    async def flush(self) -> None:
        """Return when everything that arrived is on disk, or was refused; raises `Unavailable`."""
        for document in self.open_documents:
            document.flush()
        await self._store.flush()

    async def close(self) -> None:
        """End the work in the background. What is not compacted stays as it is."""
        await self.compactor.close()
        await self.large.close()
        await self.catalogue.close()

    def _arrive(self, name: str) -> None:
        self.check(name)
        if not self.occupied_since_ms(name):
            self.catalogue.note(name)

    def _check_ending(self, name: str) -> None:
        if name in self._ending:
            raise Unavailable(f"the room {name!r} is being deleted; try again later")

    def _dismiss(self, name: str, why: SyncroomError) -> None:
        if self.on_dismissal is not None:
            self.on_dismissal(name, why)

    def _forget(self, room: Room) -> None:
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]

    def _drop(self, refusal: Refusal) -> None:
        if refusal.room in self._rooms:
            self._rooms[refusal.room].drop(refusal)

    def _set_failure(self, reason: str | None) -> None:
        for document in self.open_documents:
            document.set_failure(reason)
        for room in self._rooms.values():
            room.tell_status()
