"""
The containers of one room, in an engine that all rooms share: known by labels that they carry.
State: `.room/containers`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from syncroom.apis.live_map import LiveMap
from syncroom.errors import NotFound, SyncroomError, Unavailable

if TYPE_CHECKING:
    from syncroom.apis.base import Caller
    from syncroom.apis.container_requests import Run
    from syncroom.document.maps import MapDocument
    from syncroom.engine import Engine

_log = logging.getLogger("syncroom.apis.containers")

SERVER, ROOM = "syncroom.server", "syncroom.room"
_STARTER, _STARTER_NAME = "syncroom.started-by", "syncroom.started-by-name"
_NAME, _IMAGE, _PRIVATE = "syncroom.name", "syncroom.image", "syncroom.private"

_STATES = {
    "created": "CREATED",
    "running": "RUNNING",
    "paused": "RUNNING",
    "restarting": "RUNNING",
    "exited": "EXITED",
    "dead": "EXITED",
}

_REMOVALS, _REMOVAL_WAIT_S = 5, 0.2

_AGAIN_S = 10.0
"""An engine whose news end is asked for them again after so long."""


class RoomContainers:
    """Those of one room.

    Args:
        engine: what they run in.
        server: tells the containers of this server from those of others on the engine.
        room: the name of the room.
    """

    def __init__(self, engine: Engine, server: str, room: str) -> None:
        self.engine = engine
        self.room = room
        self._labels = labels_of_room(server, room)

    async def list(self) -> list[dict[str, Any]]:
        """All of them, as the engine lists them; none where there is no engine."""
        if not self.engine.is_there:
            return []
        label = [f"{name}={value}" for name, value in self._labels.items()]
        params = {"all": "true", "filters": json.dumps({"label": label})}
        found: list[dict[str, Any]] = await self.engine.ask(
            "GET", "/containers/json", params=params
        )
        return found

    async def find(self, container_id: str) -> dict[str, Any]:
        """What the engine knows of one of them; raises `NotFound`."""
        try:
            found: dict[str, Any] = await self.engine.ask("GET", f"/containers/{container_id}/json")
        except NotFound:
            raise _unknown(container_id) from None
        if not self._labels.items() <= labels_of(found["Config"]).items():
            raise _unknown(container_id)
        return found

    async def remove(self, container_id: str) -> None:
        """End one, and forget it."""
        path, params = f"/containers/{container_id}", {"force": "true", "v": "true"}
        for _ in range(_REMOVALS - 1):
            try:
                await self.engine.ask("DELETE", path, params=params)
            except Unavailable:  # as when it ends at this moment
                await asyncio.sleep(_REMOVAL_WAIT_S)
            else:
                return
        await self.engine.ask("DELETE", path, params=params)

    async def remove_all(self) -> None:
        """End all of them, for their room is deleted; raises `Unavailable`."""
        for each in await self.list():
            await self.remove(each["Id"])

    def labels(self, caller: Caller, request: Run) -> dict[str, str]:
        """What a new one carries."""
        who = caller.participant
        labels = {**self._labels, _STARTER: who.id, _STARTER_NAME: who.name, _IMAGE: request.image}
        if request.name:
            labels[_NAME] = request.name
        if request.private:
            labels[_PRIVATE] = "true"
        return labels


class ContainersMap(LiveMap):
    """What a room shows of its containers: read anew, while somebody watches, at each piece of
    news of them that the engine has."""

    def __init__(self, containers: RoomContainers) -> None:
        super().__init__(".room/containers", dict)
        self._containers = containers
        self._following: asyncio.Task[None] | None = None
        self._known: dict[str, dict[str, object]] = {}

    def watch(self, document: MapDocument) -> None:
        super().watch(document)
        self._known = {}
        if self._containers.engine.is_there:
            self._following = asyncio.get_running_loop().create_task(self._follow())

    def unwatch(self) -> None:
        super().unwatch()
        if self._following is not None:
            self._following.cancel()

    async def _follow(self) -> None:
        while True:
            try:
                await self._read_on()
            except SyncroomError as error:
                _log.warning(
                    "the containers of %r are not watched: %s", self._containers.room, error
                )
            await asyncio.sleep(_AGAIN_S)

    async def _read_on(self) -> None:
        """Show what is now, and what the engine says has happened since; until it says no more."""
        chosen = {"type": ["container"], "label": [f"{ROOM}={self._containers.room}"]}
        params = {"filters": json.dumps(chosen), "since": str(int(time.time()))}
        await self._read()
        async with aclosing(
            self._containers.engine.follow("GET", "/events", params=params)
        ) as news:
            async for each in news:
                if not str(each.get("Action")).startswith("exec"):
                    await self._read()

    async def _read(self) -> None:
        found = {each["Id"]: _entry(each) for each in await self._containers.list()}
        for gone in self._known.keys() - found:
            self.remove(gone)
        for container_id, entry in found.items():
            if self._known.get(container_id) != entry:
                self.set(container_id, entry)
        self._known = found


def container_json(container: dict[str, Any], *, is_early: bool) -> dict[str, Any]:
    """A container of a list, as SDKs are told of it; those before 0.42 know ports as numbers."""
    ports = [each for each in container.get("Ports") or [] if each.get("PublicPort")]
    return {
        "id": container["Id"],
        "image_id": container["ImageID"],
        "status": container["Status"],
        "ports": [
            each["PublicPort"]
            if is_early
            else {"container_port": each["PrivatePort"], "host_port": each["PublicPort"]}
            for each in ports
        ],
        **_entry(container),
    }


def labels_of_room(server: str, room: str) -> dict[str, str]:
    """What tells things of a room from all others of an engine."""
    return {SERVER: server, ROOM: room}


def name_of(container: dict[str, Any]) -> str | None:
    """What a container of a list is called in its room."""
    return labels_of(container).get(_NAME)


def is_closed_to(container: dict[str, Any], caller: Caller) -> bool:
    """Whether a container is private, and to somebody else."""
    labels = labels_of(container["Config"])
    return _PRIVATE in labels and labels[_STARTER] != caller.participant.id


def labels_of(thing: dict[str, Any]) -> dict[str, str]:
    """The labels of a container or an image."""
    return thing.get("Labels") or {}


def _entry(container: dict[str, Any]) -> dict[str, object]:
    labels = labels_of(container)
    return {
        "name": labels.get(_NAME),
        "image": labels.get(_IMAGE, container["Image"]),
        "state": _STATES.get(container["State"], "UNKNOWN"),
        "private": _PRIVATE in labels,
        "started_by": {"id": labels[_STARTER], "name": labels[_STARTER_NAME]},
    }


def _unknown(container_id: str) -> NotFound:
    return NotFound(f"the room has no container {container_id!r}")
