"""
The secrets of a room, sealed on disk.

Each has an owner, who is a name from a token, and may be delegated to one other name. Nobody else
finds it. What a secret is called is kept beside what is sealed, and bound to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from syncroom.errors import LimitExceeded
from syncroom.store.base import Item

if TYPE_CHECKING:
    from syncroom.apis.queues import Keep, Load
    from syncroom.limits import Limits

_LENGTH_BYTES = 4


class Sealing(Protocol):
    """Seals and opens bytes, for the place where they belong."""

    def close(self, data: bytes, place: bytes) -> bytes: ...
    def open(self, sealed: bytes, place: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Secret:
    """What is known of a secret, but not what it is."""

    owner: str
    id: str
    delegated_to: str | None
    type: str
    name: str

    @property
    def key(self) -> str:
        """What the store knows it as."""
        return json.dumps([self.owner, self.id, self.delegated_to])

    def is_for(self, name: str) -> bool:
        """Whether somebody of this name may use it."""
        return name in (self.owner, self.delegated_to)


class Vault:
    """The secrets of one room.

    Args:
        room: the name of the room.
        load: reads what was kept.
        keep: writes items, and takes others away.
        seal: seals what is kept.
        limits: the bounds of the server.
    """

    def __init__(self, room: str, load: Load, keep: Keep, seal: Sealing, limits: Limits) -> None:
        self._room = room
        self._load = load
        self._keep = keep
        self._seal = seal
        self._limits = limits

    async def find(self, who: str, **wanted: str | None) -> tuple[Secret, bytes] | None:
        """The secret that somebody may use and that has all this, with what is sealed.

        Of several, one's own comes first, and of those the one that is not delegated.
        """
        asked = {name: value for name, value in wanted.items() if value is not None}
        found = [
            (secret, sealed)
            for secret, sealed in await self._secrets()
            if secret.is_for(who)
            and all(getattr(secret, name) == value for name, value in asked.items())
        ]
        order = [(it.owner != who, it.delegated_to is not None) for it, _ in found]
        return found[order.index(min(order))] if found else None

    async def list_for(self, who: str) -> list[Secret]:
        """All secrets that somebody may use."""
        return [secret for secret, _ in await self._secrets() if secret.is_for(who)]

    def open(self, secret: Secret, sealed: bytes) -> bytes:
        """What was sealed; raises `Damaged`."""
        return self._seal.open(sealed, self._place(secret))

    async def put(self, secret: Secret, data: bytes) -> None:
        """Keep a secret, in the place of one of the same owner, id and delegation.

        It is on disk when this returns. Raises `LimitExceeded`, `Unavailable`.
        """
        size, allowed = len(data), self._limits.secret_bytes_max
        if size > allowed:
            raise LimitExceeded(f"the secret has {size} bytes, {allowed} are allowed")
        others = [each for each, _ in await self._secrets() if each.key != secret.key]
        if len(others) >= self._limits.room_secrets_max:
            allowed = self._limits.room_secrets_max
            raise LimitExceeded(f"the room has {allowed} secrets, as many as it may have")
        about = _about(secret)
        sealed = self._seal.close(data, self._place(secret))
        value = len(about).to_bytes(_LENGTH_BYTES, "big") + about + sealed
        await self._keep([Item(secret.key, 0, value)], ())

    async def delete(self, secret: Secret) -> None:
        """Take a secret away; raises `Unavailable`."""
        await self._keep((), [(secret.key, 0)])

    async def _secrets(self) -> list[tuple[Secret, bytes]]:
        return [_read(name, value) for name, _, value in await self._load()]

    def _place(self, secret: Secret) -> bytes:
        return json.dumps([self._room, secret.key]).encode() + _about(secret)


def _about(secret: Secret) -> bytes:
    return json.dumps([secret.type, secret.name]).encode()


def _read(key: str, value: bytes) -> tuple[Secret, bytes]:
    end = _LENGTH_BYTES + int.from_bytes(value[:_LENGTH_BYTES], "big")
    return Secret(*json.loads(key), *json.loads(value[_LENGTH_BYTES:end])), value[end:]
