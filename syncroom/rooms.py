"""All rooms of a server: found by name, made when first asked for, forgotten when idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.document.compactor import Compactor
from syncroom.metrics import Metrics
from syncroom.room import Room

if TYPE_CHECKING:
    from syncroom.document.document import Document
    from syncroom.limits import Limits
    from syncroom.room import InitialContent
    from syncroom.store.base import DocumentInfo, Store


def no_content(room: str, path: str) -> bytes | None:
    """New documents begin empty."""
    return None


class Rooms:
    """The rooms that one process owns.

    Args:
        store: where their documents are kept, open.
        limits: the bounds of the server.
        initial_content: for a room and a path, the Yjs update that a document begins with when
            it is opened for the first time ever, or None.
    """

    def __init__(
        self, store: Store, limits: Limits, initial_content: InitialContent = no_content
    ) -> None:
        self.limits = limits
        self.metrics = Metrics()
        self._store = store
        self._initial_content = initial_content
        self._rooms: dict[str, Room] = {}
        self._compactor = Compactor(store, limits, self.find)
        store.on_failure = self._set_failure

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

    def room(self, name: str) -> Room:
        """The room of a name."""
        if name not in self._rooms:
            self._rooms[name] = Room(
                name,
                self._store,
                self.limits,
                self.metrics,
                initial_content=self._initial_content,
                on_idle=self._forget,
            )
            self._rooms[name].on_growth = self._compactor.want
        return self._rooms[name]

    def find(self, room: str, path: str) -> Document | None:
        """The document of a room at a path, if it is in memory."""
        return self._rooms[room].documents.get(path) if room in self._rooms else None

    async def documents(self, name: str) -> list[DocumentInfo]:
        """The documents that a room has on disk, by path."""
        return await self._store.documents(name)

    async def flush(self) -> None:
        """Return when everything that arrived is on disk; raises `Unavailable`."""
        for document in self.open_documents:
            document.flush()
        await self._store.flush()

    async def close(self) -> None:
        """End the work in the background. What is not compacted stays as it is."""
        await self._compactor.close()

    def _forget(self, room: Room) -> None:
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]

    def _set_failure(self, reason: str | None) -> None:
        for document in self.open_documents:
            document.set_failure(reason)
