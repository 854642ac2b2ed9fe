"""
The images that a room may use, in an engine that all rooms share: those that it built, under a
prefix of its own and labels, and those that no room built.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from syncroom.apis.room_containers import ROOM, labels_of, labels_of_room
from syncroom.errors import Misconfigured, NotFound

if TYPE_CHECKING:
    from syncroom.engine import Engine

Found: TypeAlias = list[dict[str, Any]]
"""Images, as engines list them."""

_PREFIX = "localhost/syncroom/"
_PART = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"

is_own_name = re.compile(rf"(?:{_PART}/)*{_PART}(?::\w[\w.-]*)?", re.ASCII).fullmatch
"""Whether an image that a room builds can be called so: without the port of a host."""


class RoomImages:
    """Those of one room.

    Args:
        engine: what holds them.
        server: tells the images of this server from those of others on the engine.
        room: the name of the room.
        folder: what the room's own are named under, which nobody elsewhere may know: who knows an
            image's name can build from it.
    """

    def __init__(self, engine: Engine, server: str, room: str, folder: str) -> None:
        self.engine = engine
        self.labels = labels_of_room(server, room)
        self._prefix = f"{_PREFIX}{folder}/"

    def own(self, name: str) -> str:
        """What an image that the room builds is called in the engine."""
        return self._prefix + name

    async def list(self) -> Found:
        """Those of the engine, as it lists them, under the names that the room knows."""
        return [self._shown(each) for each in await self._all() if self._is_here(labels_of(each))]

    async def built(self) -> Found:
        """Those that the room built."""
        return [each for each in await self._all() if self._is_own(labels_of(each))]

    async def find(self, name: str) -> tuple[str, dict[str, Any]]:
        """What an image is called in the engine, and what that knows of it: first among those
        that the room built. Raises `NotFound`."""
        for each in (self.own(name), name) if is_own_name(name) else (name,):
            try:
                found = await self.engine.ask("GET", f"/images/{each}/json")
            except NotFound:
                continue
            labels = labels_of(found.get("Config") or {})
            if self._is_here(labels):
                return each, self._shown({**found, "Labels": labels})
        raise NotFound(f"there is no image {name!r} here")

    async def remove(self, name: str) -> None:
        """Delete one that the room built; raises `NotFound`, `Misconfigured`."""
        called, _ = await self.find(name)
        if called != self.own(name):
            raise Misconfigured(
                f"the image {name!r} is the engine's, for all rooms: delete it there"
            )
        await self.engine.ask("DELETE", f"/images/{called}")

    async def remove_all(self) -> None:
        """Delete all that the room built, for it is deleted; raises `Unavailable`."""
        for each in await self.built():
            await self.engine.ask("DELETE", f"/images/{each['Id']}", params={"force": "true"})

    async def _all(self) -> Found:
        """None, where there is no engine."""
        if not self.engine.is_there:
            return []
        found: Found = await self.engine.ask("GET", "/images/json")
        return found

    def _is_own(self, labels: dict[str, str]) -> bool:
        return self.labels.items() <= labels.items()

    def _is_here(self, labels: dict[str, str]) -> bool:
        return ROOM not in labels or self._is_own(labels)

    def _shown(self, image: dict[str, Any]) -> dict[str, Any]:
        names = [each.removeprefix(self._prefix) for each in image.get("RepoTags") or []]
        return {**image, "RepoTags": [each for each in names if not each.startswith(_PREFIX)]}
