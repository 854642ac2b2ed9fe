"""Where ``syncroom rooms`` finds rooms: in a data folder at rest, or on a server that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

from syncroom.auth.keys import parse_api_key
from syncroom.cli.remote import asking
from syncroom.errors import Conflict, Misconfigured
from syncroom.server.http.rooms import room_json

if TYPE_CHECKING:
    from syncroom.rooms import Rooms

Room = dict[str, Any]
"""A room as HTTP answers it."""

_PAGE_ROOMS = 1000


class RoomSource(Protocol):
    """Rooms, wherever they are."""

    async def create(self, room: Room, *, if_not_exists: bool) -> Room:
        """Make a room of name, metadata and annotations."""

    async def list(self, contains: str) -> list[Room]:
        """The rooms whose name holds something, by name."""

    async def get(self, name: str) -> Room:
        """A room, and with it its status."""

    async def enable(self, name: str, is_enabled: bool) -> Room:
        """Let people in, or nobody."""

    async def delete(self, name: str) -> None:
        """End a room with its documents."""


class RoomsAtRest:
    """The rooms of a data folder that this process holds."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._catalogue = rooms.catalogue

    async def create(self, room: Room, *, if_not_exists: bool) -> Room:
        """Make a room of name, metadata and annotations."""
        try:
            return room_json(await self._catalogue.create(**room))
        except Conflict:
            if not if_not_exists:
                raise
            return room_json(await self._catalogue.find(room["name"]))

    async def list(self, contains: str) -> list[Room]:
        """The rooms whose name holds something, by name."""
        found: list[Room] = []
        while True:
            after = found[-1]["name"] if found else ""
            rooms, _ = await self._catalogue.page(after, contains, _PAGE_ROOMS)
            found += map(room_json, rooms)
            if len(rooms) < _PAGE_ROOMS:
                return found

    async def get(self, name: str) -> Room:
        """A room, in which nobody is."""
        return room_json(await self._catalogue.find(name)) | {"status": "Unallocated"}

    async def enable(self, name: str, is_enabled: bool) -> Room:
        """Let people in, or nobody."""
        room = await self._catalogue.find(name)
        return room_json(await self._rooms.change(room.id, {"is_enabled": is_enabled}))

    async def delete(self, name: str) -> None:
        """End a room with its documents."""
        await self._rooms.delete(name)


class RemoteRooms:
    """The rooms of a server."""

    def __init__(self, url: str, key: str | None) -> None:
        if key is None:
            raise Misconfigured("a server is asked with an API key: give --key")
        self._key = key
        project_id = parse_api_key(key).project_id
        self._url = f"{url.rstrip('/')}/accounts/projects/{project_id}/rooms"

    async def create(self, room: Room, *, if_not_exists: bool) -> Room:
        """Make a room of name, metadata and annotations."""
        return self._ask("POST", "", room | {"if_not_exists": if_not_exists})

    async def list(self, contains: str) -> list[Room]:
        """The rooms whose name holds something, by name."""
        found: list[Room] = []
        query = {"filter": contains, "page_size": str(_PAGE_ROOMS)}
        while True:
            page = self._ask("GET", f"?{urlencode(query)}")
            found += page["rooms"]
            if page["continuation_token"] is None:
                return found
            query["continuation_token"] = page["continuation_token"]

    async def get(self, name: str) -> Room:
        """A room, and with it its status."""
        place = f"/{quote(name, safe='')}"
        return self._ask("GET", place) | self._ask("GET", f"{place}/status")

    async def enable(self, name: str, is_enabled: bool) -> Room:
        """Let people in, or nobody."""
        return self._ask("PUT", f"/{self._id(name)}", {"enabled": is_enabled})

    async def delete(self, name: str) -> None:
        """End a room with its documents."""
        with asking("DELETE", f"{self._url}/{self._id(name)}", self._key):
            return

    def _id(self, name: str) -> str:
        return str(self._ask("GET", f"/{quote(name, safe='')}")["id"])

    def _ask(self, method: str, place: str, body: Room | None = None) -> Room:
        data = None if body is None else json.dumps(body).encode()
        with asking(method, self._url + place, self._key, data) as answer:
            found: Room = json.load(answer)
            return found
