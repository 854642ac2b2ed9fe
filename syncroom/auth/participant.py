"""
A participant: the holder of a token that was checked, as everything above the trust layer sees it.

`admit` lets in or refuses; after that, rights are asked of the participant and never again of the
token. A participant without an ``api`` grant may join, and do nothing else.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncroom.auth.grant import Decision
from syncroom.auth.paths import PARTICIPANTS_PATH, is_reserved
from syncroom.auth.token import LEEWAY_S, ParticipantToken
from syncroom.errors import Denied, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.auth.keys import Keyring
    from syncroom.auth.scopes import ApiScope
    from syncroom.auth.sync_grant import SyncAction

_IDS = uuid.UUID("7b1c6b0e-4d0f-4f0a-9a38-5d5e0c1f7a52")  # random; ids change if this does


_RESERVED: dict[str, tuple[Callable[[ApiScope], bool], str]] = {
    PARTICIPANTS_PATH: (
        lambda scope: scope.messaging is not None and scope.messaging.list,
        "who is here may be read with a messaging grant that has list",
    ),
    ".room/toolkits": (
        lambda scope: scope.agents is not None and scope.agents.use_tools,
        "the public toolkits may be read with an agents grant that has use_tools",
    ),
    ".room/files": (
        lambda scope: scope.storage is not None and scope.storage.allows("list", "", subtree=True),
        "the catalogue of files may be read with a storage grant that lists all of them",
    ),
    ".room/queues": (
        lambda scope: scope.queues is not None and scope.queues.list,
        "the queues may be read with a queues grant that has list",
    ),
    ".room/services": (
        lambda scope: scope.services is not None and scope.services.list,
        "the services may be read with a services grant that has list",
    ),
    ".room/containers": (
        lambda scope: scope.containers is not None and scope.containers.use_containers,
        "the containers may be read with a containers grant",
    ),
    ".room/logs": (
        lambda scope: scope.developer is not None and scope.developer.logs,
        "the logs may be read with a developer grant that has logs",
    ),
}
"""What a room shows of its own state, the right that reading it takes, and why."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Who somebody is, and what they may do in the room that they joined."""

    id: str
    """The same whenever a token with the same project, name and role comes."""
    name: str
    role: str = "user"
    scope: ApiScope | None = None
    """What it may do; None: nothing but to be there."""
    expires_at: float | None = None
    """When the participant has to be gone, leeway included; None lets it stay."""
    key_id: str | None = None
    """The API key that the token names."""

    @property
    def may_list_participants(self) -> bool:
        """Whether the participant may know who else is here."""
        messaging = self.scope.messaging if self.scope is not None else None
        return messaging is not None and messaging.list

    @property
    def may_administer(self) -> bool:
        """Whether the participant may look after the room: check and compact its documents."""
        admin = self.scope.admin if self.scope is not None else None
        return admin is not None and admin.config

    def may_read(self, path: str) -> bool:
        """Whether a document may be opened; the path is normalised."""
        return self.decide("read", path).allowed

    def may_write(self, path: str) -> bool:
        """Whether a document may be changed; the path is normalised."""
        return self.decide("write", path).allowed

    def decide(self, action: SyncAction, path: str) -> Decision:
        """Say whether a document may be read or written, which sync line decides, and why."""
        if is_reserved(path):
            return self._decide_reserved(action, path)
        if self.scope is None:
            return Decision(False, "the token has no api grant, so it may join and do nothing else")
        if self.scope.sync is None:
            return Decision(False, "the api grant has no sync grant, so documents are denied")
        return self.scope.sync.decide(action, path)

    def _decide_reserved(self, action: SyncAction, path: str) -> Decision:
        if action == "write":
            return Decision(False, "only the server writes what lies in .room")
        if path not in _RESERVED:
            return Decision(False, "the room has no such document of its own")
        right, why = _RESERVED[path]
        return Decision(self.scope is not None and right(self.scope), why)


def admit(
    jwt: str | None,
    room: str,
    keyring: Keyring,
    now: float,
    *,
    lifetime_s_max: float | None = None,
) -> Participant:
    """Check the token of somebody who asks to join a room, and return who they are.

    Raises `Unauthenticated` where the token proves nothing now, and `Denied` where it is good for
    other rooms only. With ``lifetime_s_max``, tokens must end, and within that time from now.
    """
    if not jwt:
        raise Unauthenticated("a participant token is needed to join a room")
    token = ParticipantToken.from_jwt(jwt, keyring=keyring, now=now)
    if lifetime_s_max is not None:
        _check_lifetime(token, now, lifetime_s_max)
    if room not in token.rooms:
        raise Denied("the token does not grant this room")
    return participant_of(token)


def participant_of(token: ParticipantToken) -> Participant:
    """Return the participant that a token describes; whether it holds was checked before."""
    expires_at = token.expires_at
    identity = json.dumps([token.project_id, token.name, token.role])
    return Participant(
        id=str(uuid.uuid5(_IDS, identity)),
        name=token.name,
        role=token.role,
        scope=token.get_api_grant(),
        expires_at=None if expires_at is None else expires_at + LEEWAY_S,
        key_id=token.api_key_id,
    )


def _check_lifetime(token: ParticipantToken, now: float, lifetime_s_max: float) -> None:
    expires_at = token.expires_at
    if expires_at is None:
        raise Unauthenticated("the token never expires, and here every token has to")
    if expires_at > now + lifetime_s_max + LEEWAY_S:
        raise Unauthenticated(f"the token may last {lifetime_s_max:.0f} s at most here")
