"""
Calls with sound and pictures: who is in a room gets into its call on a LiveKit server.
Grant: `livekit`.

The token for it is made here and needs no LiveKit to make: it says who comes, under the id that the
room knows, and which call it is, the room's own or a breakout room of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from syncroom.apis.base import Caller, Request, Toolkit, tool
from syncroom.auth import jws
from syncroom.errors import Misconfigured

if TYPE_CHECKING:
    from syncroom.auth.participant import Participant
    from syncroom.backends import Backends
    from syncroom.limits import Limits


class Connect(Request):
    """A call: the room's own, or one beside it."""

    breakout_room: str | None = Field(default=None, min_length=1, max_length=128)


def _may_connect(participant: Participant, request: Connect) -> bool:
    grant = participant.scope.livekit if participant.scope is not None else None
    name = request.breakout_room
    return grant is not None and (name is None or grant.can_join_breakout_room(name))


class Livekit(Toolkit):
    """The calls of one room.

    Args:
        room: the name of the room.
        backends: where LiveKit is, and what opens it.
        limits: the bounds of the server.
    """

    name: ClassVar = "livekit"
    grant: ClassVar = "livekit"

    def __init__(self, room: str, backends: Backends, limits: Limits) -> None:
        self._room = room
        self._backends = backends
        self._limits = limits

    @tool(Connect, _may_connect)
    def connect(self, caller: Caller, request: Connect) -> dict[str, Any]:
        """Where the call is, and what lets the caller in."""
        url, key = self._backends.livekit_url, self._backends.livekit_key
        secret = self._backends.livekit_secret
        if url is None or key is None or secret is None:
            raise Misconfigured(
                "calls are not available on this server: no LiveKit is configured; set "
                "SYNCROOM_BACKENDS__LIVEKIT_URL, ..._LIVEKIT_KEY and ..._LIVEKIT_SECRET"
            )
        claims = self._claims(caller, request, key, time.time())
        return {"url": url, "token": jws.sign(claims, secret.get_secret_value())}

    def _claims(self, caller: Caller, request: Connect, key: str, now: float) -> dict[str, Any]:
        who, breakout = caller.participant, request.breakout_room
        names = [self._room] if breakout is None else [self._room, breakout]
        ends = now + self._limits.call_token_s
        if who.expires_at is not None:
            ends = min(ends, who.expires_at)
        return {
            "iss": key,
            "sub": caller.id,
            "name": who.name,
            "nbf": int(now),
            "exp": int(ends),
            "video": {
                "roomJoin": True,
                "room": "/".join(map(_escaped, names)),
            },
        }


def _escaped(name: str) -> str:
    """A part of a call's name, so that no two calls have one name."""
    return name.replace("%", "%25").replace("/", "%2F")
