"""
Where tunnels lead: to services on the server's loopback that its settings name, and to ports that
containers of a room publish there.  Grant: `tunnels`.

Nothing else of the machine can be reached, whatever a token grants.
"""

from __future__ import annotations

import asyncio
import re
import time
from functools import partial
from typing import TYPE_CHECKING

from syncroom.apis.containers import Containers
from syncroom.auth.participant import Participant, participant_of
from syncroom.auth.token import ParticipantToken
from syncroom.errors import Denied, Malformed, Misconfigured, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncroom.auth.keys import Keyring
    from syncroom.auth.visitor import Visitor
    from syncroom.rooms import Rooms
    from syncroom.sessions.tunnel import Dial

_DIAL_S_MAX = 10.0

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,127}", re.ASCII).fullmatch


class Tunnels:
    """The tunnels of one server.

    Args:
        rooms: the rooms whose containers are reached.
        keyring: holds what tokens are signed with.
        services: the ports on loopback that may be reached, by name.
        has_containers: whether there can be containers.
    """

    def __init__(
        self,
        rooms: Rooms,
        keyring: Keyring,
        services: Mapping[str, Sequence[int]],
        *,
        has_containers: bool,
    ) -> None:
        self._rooms = rooms
        self._keyring = keyring
        self._services = services
        self._has_containers = has_containers

    def find(self, visitor: Visitor) -> tuple[str, Participant, Dial]:
        """A room that the token is for, who it is, and what connects them.

        Raises `Unauthenticated`, `Denied`, `Disabled`, `NotFound`, `Malformed`.
        """
        token = ParticipantToken.from_jwt(
            visitor.token or "", keyring=self._keyring, now=time.time()
        )
        if not token.rooms:
            raise Denied("the token grants no room")
        for room in token.rooms:
            self._rooms.check(room)
        name, port = visitor.room, _port(visitor.path)
        who = participant_of(token)
        grant = who.scope.tunnels if who.scope is not None else None
        if grant is None or not grant.can_forward(port):
            raise Denied(f"the token grants no tunnel to port {port}")
        if not _NAME(name) or not (name in self._services or self._has_containers):
            raise NotFound("there is no service and no container of that name")
        if name in self._services:
            if port not in self._services[name]:
                raise NotFound(f"the service {name!r} has no port {port}")
            return token.rooms[0], who, partial(_dial, name, port)
        return token.rooms[0], who, partial(self._dial_container, token.rooms, name, port)

    async def _dial_container(
        self, rooms: list[str], name: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for room in rooms:
            containers = self._rooms.room(room).apis.toolkits[Containers.name]
            assert isinstance(containers, Containers)
            try:
                published = await containers.published_port(name, port)
            except (NotFound, Misconfigured):
                continue
            return await _dial(name, published)
        raise NotFound(f"there is no service {name!r}, and no container that publishes port {port}")


async def _dial(name: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(_DIAL_S_MAX):
            return await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        raise Unavailable(f"{name!r} takes no connection at port {port}: {error}") from None


def _port(path: str) -> int:
    text = path.strip("/")
    if not text.isdecimal() or not 0 < int(text[:6]) <= 65535:
        raise Malformed(f"{text[:20]!r} is no port")
    return int(text)
