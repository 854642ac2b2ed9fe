"""
The rooms that there are, whether anybody is in them or not, and which of them are disabled.

A room comes into the catalogue when it is made, when somebody comes in for the first time, or with
its first document. It keeps its name; a room that is deleted and made anew has another id.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncroom.auth.paths import check_room_name
from syncroom.errors import Conflict, LimitExceeded, NotFound, SyncroomError
from syncroom.logs import about
from syncroom.store.base import RoomInfo, new_room

if TYPE_CHECKING:
    from syncroom.limits import Limits
    from syncroom.store.base import Store

_log = logging.getLogger("syncroom.catalogue")


class Catalogue:
    """The catalogue of one server. Whatever reads or writes it raises `Unavailable`, `Damaged`."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self.disabled: set[str] = set()
        """The names of rooms that nobody may come into."""
        self._store = store
        self._limits = limits
        self._changing = asyncio.Lock()
        self._notes: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Learn which rooms are disabled."""
        self.disabled = set(await self._store.disabled_rooms())

    async def close(self) -> None:
        """Return when every room that somebody came into is written down."""
        if self._notes:
            await asyncio.wait(self._notes)

    def note(self, name: str) -> None:
        """Put a room into the catalogue that somebody comes into, unless it is there."""
        note = asyncio.get_running_loop().create_task(self._note(name))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def create(
        self, name: str, metadata: dict[str, Any], annotations: dict[str, str]
    ) -> RoomInfo:
        """Make a room; raises `Malformed`, `LimitExceeded`, `Conflict` where there is one."""
        check_room_name(name)
        self._check_size(metadata, annotations)
        room = replace(new_room(name, _now_ms()), metadata=metadata, annotations=annotations)
        if not await self._store.add_room(room):
            raise Conflict(f"there is a room {name!r} already")
        _log.info("made a room", extra=about(room=name))
        return room

    async def find(self, name: str) -> RoomInfo:
        """The room of a name; raises `NotFound`."""
        await self.close()
        room = await self._store.find_room(name)
        if room is None:
            raise NotFound(f"there is no room {name!r}")
        return room

    async def find_id(self, id: str) -> RoomInfo:
        """The room of an id; raises `NotFound`."""
        room = await self._store.find_room_id(id)
        if room is None:
            raise NotFound(f"there is no room with the id {id!r}")
        return room

    async def page(self, after: str, contains: str, limit: int) -> tuple[list[RoomInfo], int]:
        """Some rooms by name, and how many match in all; see `Store.list_rooms`."""
        await self.close()
        return await self._store.list_rooms(after, contains, limit)

    async def change(self, id: str, changes: dict[str, Any]) -> RoomInfo:
        """Change ``metadata``, ``annotations`` or ``is_enabled`` of a room.

        Raises `NotFound`, `LimitExceeded`.
        """
        async with self._changing:
            room = replace(await self.find_id(id), **changes)
            self._check_size(room.metadata, room.annotations)
            if not await self._store.update_room(room):
                raise NotFound(f"there is no room with the id {id!r} any more")
            self.disabled.discard(room.name)
            if not room.is_enabled:
                self.disabled.add(room.name)
        _log.info("changed a room", extra=about(room=room.name, enabled=room.is_enabled))
        return room

    async def delete(self, name: str) -> None:
        """Take a room away, with its documents; raises `NotFound`."""
        await self.close()
        async with self._changing:
            if not await self._store.delete_room(name):
                raise NotFound(f"there is no room {name!r}")
            self.disabled.discard(name)
        _log.info("deleted a room", extra=about(room=name))

    async def _note(self, name: str) -> None:
        try:
            await self._store.add_room(new_room(name, _now_ms()))
        except (SyncroomError, UnicodeEncodeError) as error:
            # With its first document it comes into the catalogue as well.
            _log.warning("a room is not in the catalogue: %s", error, extra=about(room=name))

    def _check_size(self, metadata: dict[str, Any], annotations: dict[str, str]) -> None:
        size, allowed = len(json.dumps([metadata, annotations])), self._limits.room_info_bytes_max
        if size > allowed:
            raise LimitExceeded(
                f"metadata and annotations have {size} bytes as JSON, {allowed} are allowed"
            )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
