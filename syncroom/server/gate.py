"""
Where WebSockets come in: which path speaks which protocol, and what all connections have in common.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from syncroom.errors import (
    Denied,
    Disabled,
    Malformed,
    NotFound,
    SyncroomError,
    Unauthenticated,
    Unavailable,
)
from syncroom.logs import about
from syncroom.server.address import network_of
from syncroom.server.offences import Offences
from syncroom.server.urls import room_url
from syncroom.sessions import yjs
from syncroom.sessions.connection import CLOSE_RESTART, close_code
from syncroom.sessions.meshagent import MeshAgentSession
from syncroom.sessions.tunnel import TunnelSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.admission import Admission
    from syncroom.auth.participant import Participant
    from syncroom.auth.visitor import Visitor
    from syncroom.rooms import Rooms
    from syncroom.server.address import TrustedProxies
    from syncroom.server.arrival import Arrival
    from syncroom.server.seated import SeatedConnection
    from syncroom.server.tunnels import Tunnels
    from syncroom.sessions.connection import Session
    from syncroom.sessions.tunnel import Dial

    Seat = Callable[[SeatedConnection], None]

DRAIN_S = 10
"""A server that ends waits so long for the disk and for its clients."""

_log = logging.getLogger("syncroom.server")

_STATUSES: dict[type[SyncroomError], int] = {
    Unauthenticated: 403,  # with 401, SDKs would dial again and again
    Denied: 403,
    NotFound: 404,
    Malformed: 404,
    Disabled: 423,
}


def status_of(error: SyncroomError) -> int:
    """The HTTP status that refuses a handshake."""
    return _STATUSES.get(type(error), 503)


class Gate:
    """The connections of a server. Lives on one event loop.

    Args:
        rooms: the rooms.
        admission: who may come in.
        proxies: those whose word on addresses counts.
        public_url: where clients reach the server; without it, where they sent their request.
        tunnels: where they lead; None leads nowhere.
    """

    def __init__(
        self,
        rooms: Rooms,
        admission: Admission,
        proxies: TrustedProxies,
        public_url: str | None = None,
        tunnels: Tunnels | None = None,
    ) -> None:
        self.limits = rooms.limits
        self.metrics = rooms.metrics
        self.proxies = proxies
        self.public_url = public_url
        self.connections: set[SeatedConnection] = set()
        self.refused: set[SeatedConnection] = set()
        """Those that were told why, and are held for a while before they are closed."""
        self.offences = Offences(rooms.limits)
        self._seats: dict[SeatedConnection, str] = {}
        """Those that were not refused, each with the network that it is counted under."""
        self._networks: dict[str, int] = {}
        self.rooms = rooms
        self.admission = admission
        self._tunnels = tunnels
        self._loop = asyncio.get_running_loop()
        rooms.on_dismissal = self._dismiss_room
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._draining: asyncio.Task[None] | None = None
        self._tick_later()

    def find(self, arrival: Arrival) -> Seat:
        """What seats a connection once its handshake is done, by its token.

        Raises what it is refused for before that: `NotFound` where there is no endpoint, and for
        participants that read HTTP statuses `Unauthenticated`, `Denied`, `Disabled`, `Unavailable`.
        """
        if arrival.endpoint == "tunnel":
            return self._offer_tunnel(arrival)
        visitor = arrival.visitor
        try:
            return self._offer(arrival, self.admission.by_token(visitor))
        except (Unauthenticated, Denied) as error:
            return self._offer(arrival, error)

    async def ask(self, arrival: Arrival) -> Seat:
        """The same, where a hook is asked first; raises `HookFailed` too."""
        if arrival.endpoint == "tunnel":
            return self._offer_tunnel(arrival)
        try:
            who: Participant | SyncroomError = await self.admission.admit(arrival.visitor)
        except SyncroomError as error:
            who = error
        return self._offer(arrival, who)

    def _offer(self, arrival: Arrival, who: Participant | SyncroomError) -> Seat:
        """A seat for whoever came, or for a client that is told after its handshake why not."""
        visitor = arrival.visitor
        if self._draining is not None:
            raise Unavailable("the server restarts")
        if arrival.endpoint == "yjs" and visitor.room:
            return partial(self._seat_editor, visitor, who)
        if arrival.endpoint != "rooms" or visitor.path or not visitor.room:
            raise NotFound("there is no WebSocket endpoint at this path")
        if isinstance(who, SyncroomError):
            raise who
        self.rooms.check(visitor.room)
        url = room_url(self.public_url, arrival.host, arrival.is_secure, visitor.room)
        return partial(self._seat_member, visitor, who, url)

    def _offer_tunnel(self, arrival: Arrival) -> Seat:
        """A seat for who comes by token alone, and is in no room."""
        if self._draining is not None:
            raise Unavailable("the server restarts")
        if self._tunnels is None:
            raise NotFound("there are no tunnels here")
        return partial(self._seat_tunnel, *self._tunnels.find(arrival.visitor))

    def _seat_tunnel(
        self, room: str, participant: Participant, dial: Dial, connection: SeatedConnection
    ) -> None:
        self._seat(connection)
        try:
            self._count(connection)
        except SyncroomError as error:
            connection.close(close_code(error), str(error))
        else:
            TunnelSession(connection, room, participant, dial)

    def _seat_editor(
        self, visitor: Visitor, who: Participant | SyncroomError, connection: SeatedConnection
    ) -> None:
        self._seat(connection)
        try:
            self._count(connection)
            if isinstance(who, SyncroomError):
                raise who
            self.rooms.check(visitor.room)
        except SyncroomError as error:
            yjs.refuse(connection, error, visitor.where)
        else:
            yjs.connect(connection, visitor, who, self.rooms)

    def _seat_member(
        self,
        visitor: Visitor,
        participant: Participant,
        url: str,
        connection: SeatedConnection,
    ) -> None:
        self._seat(connection)
        try:
            self._count(connection)
            room, is_early = self.rooms.room(visitor.room), visitor.is_early
            MeshAgentSession(connection, room, participant, url, is_early=is_early)
        except SyncroomError as error:
            connection.close(close_code(error), str(error))

    def leave(self, connection: SeatedConnection) -> None:
        """Let another connection have the seat of one that ends; may be called more than once."""
        network = self._seats.pop(connection, None)
        if network is not None:
            self._networks[network] -= 1
            if not self._networks[network]:
                del self._networks[network]

    def dismiss(self, is_meant: Callable[[Session], bool], why: SyncroomError) -> None:
        """End the sessions that are meant."""
        for connection in list(self.connections):
            session = connection.session
            if session is not None and is_meant(session):
                session.fail(why)

    def _dismiss_room(self, name: str, why: SyncroomError) -> None:
        self.dismiss(lambda session: session.room_name == name, why)

    def forget(self, connection: SeatedConnection) -> None:
        """Let go of a connection that is lost."""
        self.connections.discard(connection)
        self.refused.discard(connection)
        if not self.connections:
            self._is_empty.set()

    def _seat(self, connection: SeatedConnection) -> None:
        self.connections.add(connection)
        self._is_empty.clear()

    def _count(self, connection: SeatedConnection) -> None:
        network = network_of(connection.address)
        count = self._networks.get(network, 0)
        allowed = self.limits.address_connections_max
        if count >= allowed:
            raise Unavailable(
                f"{allowed} connections come from your address, as many as may; try again later"
            )
        self._networks[network] = count + 1
        self._seats[connection] = network

    def drain(self) -> None:
        """Put everything that arrived on disk, then close every connection."""
        if self._draining is None:
            self._drain_ends = self._loop.time() + DRAIN_S
            self._draining = self._loop.create_task(self._drain())

    async def close(self) -> None:
        """Drain, and return when every connection has ended, at the latest after `DRAIN_S`."""
        self.drain()
        assert self._draining is not None
        try:
            async with asyncio.timeout_at(self._drain_ends):
                await asyncio.shield(self._draining)
                await self._is_empty.wait()
        except TimeoutError:
            _log.error("drain not ended", extra=about(connections=len(self.connections)))
        self._ticking.cancel()

    async def _drain(self) -> None:
        began = self._loop.time()
        _log.info("drain started", extra=about(connections=len(self.connections)))
        try:
            await self.rooms.flush()
        except Unavailable as error:
            _log.error("what arrived last could not be saved: %s", error)
        for connection in list(self.connections):
            if connection.session is not None:
                connection.session.restart()
            else:
                connection.close(CLOSE_RESTART, "the server restarts")
        _log.info("drain ended", extra=about(seconds=round(self._loop.time() - began, 3)))

    def _tick_later(self) -> None:
        self._ticking = self._loop.call_later(self.limits.keepalive_s, self._tick)

    def _tick(self) -> None:
        for connection in list(self.connections):
            connection.tick()
        self._tick_later()
