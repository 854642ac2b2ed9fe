"""
The programs that the server runs for a room.  State: `.room/services`.  Grant: `services`.

Which there are stands in a file of whoever runs the server; participants see them and may have
them restarted, and can't change them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from syncroom.apis.base import Caller, Request, Toolkit, always, tool
from syncroom.apis.live_map import LiveMap
from syncroom.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.auth.participant import Participant


class Service(Protocol):
    """One that is looked after."""

    @property
    def is_enabled(self) -> bool:
        """Whether it is to run at all."""

    def describe(self) -> dict[str, Any]:
        """What is known of it before it runs."""

    def state(self) -> dict[str, Any]:
        """How it is now."""

    def restart(self) -> None:
        """End it, if it runs, and start it again."""


class RoomServices:
    """The services of one room, by id."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.on_change: Callable[[str], None] | None = None
        """Called with the id of one whose state is another now."""

    def changed(self, id: str) -> None:
        """Say that the state of one is another now."""
        if self.on_change is not None:
            self.on_change(id)


class Restart(Request):
    """A service."""

    service_id: str


def _may_list(participant: Participant, request: Request) -> bool:
    services = participant.scope.services if participant.scope is not None else None
    return services is not None and services.list


class Services(Toolkit):
    """The services of one room, for its participants.

    Args:
        room: those services.
    """

    name: ClassVar = "services"
    grant: ClassVar = "services"
    numbers: ClassVar = {NotFound: 7001, Conflict: 7002}
    map: LiveMap

    def __init__(self, room: RoomServices) -> None:
        self.map = LiveMap(".room/services", self._states)
        self._room = room
        room.on_change = self._show

    @tool(Request, _may_list)
    def list(self, caller: Caller, request: Request) -> dict[str, Any]:
        """List the services and how each is."""
        services = self._room.services.values()
        return {
            "services_json": [json.dumps(each.describe()) for each in services],
            "service_states": [each.state() for each in services],
        }

    @tool(Restart, always)
    def restart(self, caller: Caller, request: Restart) -> None:
        """Have a service restarted; raises `NotFound`, and `Conflict` where it is not to run."""
        service = self._room.services.get(request.service_id)
        if service is None:
            raise NotFound(f"there is no service {request.service_id[:80]!r}")
        if not service.is_enabled:
            raise Conflict(
                f"the service {request.service_id!r} is disabled, and can't be restarted"
            )
        service.restart()

    def _show(self, id: str) -> None:
        self.map.set(id, self._room.services[id].state())

    def _states(self) -> dict[str, dict[str, object]]:
        return {id: each.state() for id, each in self._room.services.items()}
