"""
Participant tokens: who somebody is, which rooms they may join, and what they may do there.

Names, helpers and JSON are those of the published SDKs. What `ParticipantToken.from_jwt` returns
was signed with a secret of the keyring and is valid now; everything else is refused with
`Unauthenticated`. Reading a token without these checks goes by a name of its own.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from syncroom.auth import jws
from syncroom.auth.keys import parse_api_key
from syncroom.auth.scopes import ApiScope
from syncroom.errors import Malformed, Unauthenticated

if TYPE_CHECKING:
    from syncroom.auth.keys import Keyring

LEEWAY_S = 30.0
"""How far the clocks of those who mint tokens may be off."""

_TIME_MAX = 253_402_300_799  # the last second of the year 9999, past which no calendar prints
_TEXT_GRANTS = frozenset({"room", "role", "site", "agent", "tunnel_ports"})
_OWN_CLAIMS = frozenset({"name", "grants", "sub", "kid", "version"})

GrantScope: TypeAlias = InstanceOf[ApiScope] | JsonValue


class ParticipantGrant(BaseModel):
    """One thing that a token grants: a room, a role, the APIs; unknown ones mean nothing here."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str
    scope: GrantScope

    @field_validator("scope", mode="before")
    @classmethod
    def _read_scope(cls, scope: object, info: ValidationInfo) -> object:
        name = info.data.get("name")
        if name == "api":
            return ApiScope.model_validate(scope)
        if name in _TEXT_GRANTS and not isinstance(scope, str):
            raise ValueError(f"the scope of a {name} grant must be a string")
        return scope

    def to_json(self) -> dict[str, JsonValue]:
        """Return the grant as it stands in a token."""
        scope = self.scope.to_json() if isinstance(self.scope, ApiScope) else self.scope
        return {"name": self.name, "scope": scope}


class ParticipantToken(BaseModel):
    """Everything that a token says about its holder."""

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str
    grants: list[ParticipantGrant] = Field(default_factory=list)
    project_id: str | None = None
    api_key_id: str | None = None
    version: str | None = None
    extra_payload: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("a participant needs a name")
        return name

    @field_validator("grants")
    @classmethod
    def _check_grants(cls, grants: list[ParticipantGrant]) -> list[ParticipantGrant]:
        if sum(grant.name == "api" for grant in grants) > 1:
            raise ValueError("there can be only one api grant")
        return grants

    @property
    def role(self) -> str:
        """The first role that is not ``user``, or ``user``."""
        roles = [str(grant.scope) for grant in self.grants if grant.name == "role"]
        return next((role for role in roles if role != "user"), "user")

    @property
    def is_user(self) -> bool:
        """Whether this is a person's token, rather than an agent's or a tool's."""
        return self.role == "user"

    @property
    def rooms(self) -> list[str]:
        """The rooms that may be joined."""
        return [str(grant.scope) for grant in self.grants if grant.name == "room"]

    @property
    def expires_at(self) -> float | None:
        """When the token stops to be valid, in seconds since 1970; raises `Malformed`."""
        return _time(self.extra_payload, "exp")

    @property
    def not_before(self) -> float | None:
        """When the token begins to be valid, in seconds since 1970; raises `Malformed`."""
        return _time(self.extra_payload, "nbf")

    def add_room_grant(self, room_name: str) -> None:
        self._add("room", room_name)

    def add_role_grant(self, role: str) -> None:
        self._add("role", role)

    def add_site_grant(self, room_name: str) -> None:
        self._add("site", room_name)

    def add_agent_grant(self, agent_name: str) -> None:
        self._add("agent", agent_name)

    def add_tunnel_grant(self, ports: list[int]) -> None:
        self._add("tunnel_ports", ",".join(map(str, ports)))

    def add_api_grant(self, grant: ApiScope) -> None:
        if self.get_api_grant() is not None:
            raise ValueError("there can be only one api grant")
        self._add("api", grant)

    def grant_scope(self, name: str) -> ApiScope | JsonValue:
        """Return the scope of the first grant with this name, or None."""
        return next((grant.scope for grant in self.grants if grant.name == name), None)

    def get_api_grant(self) -> ApiScope | None:
        """Return what the room's APIs may be used for; None lets none of them be used."""
        scope = self.grant_scope("api")
        return scope if isinstance(scope, ApiScope) else None

    def check_time(self, now: float) -> None:
        """Raise `Unauthenticated` unless the token is valid now, give or take the leeway."""
        expires_at, not_before = self.expires_at, self.not_before
        if expires_at is not None and now >= expires_at + LEEWAY_S:
            raise Unauthenticated(f"the token expired at {_iso(expires_at)}; ask for a new one")
        if not_before is not None and now < not_before - LEEWAY_S:
            raise Unauthenticated(f"the token is not valid before {_iso(not_before)}")

    def to_json(self) -> dict[str, JsonValue]:
        """Return the token's payload."""
        payload: dict[str, JsonValue] = {**self.extra_payload, "name": self.name}
        payload["grants"] = [grant.to_json() for grant in self.grants]
        optional = {"sub": self.project_id, "kid": self.api_key_id, "version": self.version}
        return payload | {claim: text for claim, text in optional.items() if text is not None}

    def to_jwt(
        self,
        *,
        token: str | None = None,
        api_key: str | None = None,
        expiration: datetime | None = None,
    ) -> str:
        """Sign with a secret (which the published SDKs call ``token``) or with an API key.

        An API key wins, and names itself and its project in the token. A time without a zone is
        UTC.
        """
        payload = self.to_json()
        if expiration is not None:
            payload["exp"] = calendar.timegm(expiration.utctimetuple())
        if api_key is not None:
            key = parse_api_key(api_key)
            return jws.sign(payload | {"kid": key.id, "sub": key.project_id}, key.secret)
        if token is None:
            raise ValueError("a token is signed with a secret or with an API key: give one")
        return jws.sign(payload, token)

    @staticmethod
    def from_json(payload: dict[str, JsonValue]) -> ParticipantToken:
        """Read a payload; raises `Malformed`. Claims with no meaning here are kept as they are."""
        fields = {
            "name": payload.get("name"),
            "grants": payload.get("grants"),
            "project_id": payload.get("sub"),
            "api_key_id": payload.get("kid"),
            "version": payload.get("version"),
            "extra_payload": {k: v for k, v in payload.items() if k not in _OWN_CLAIMS},
        }
        try:
            return ParticipantToken.model_validate(fields)
        except ValidationError as error:
            raise Malformed(f"the token is not a participant's: {_first(error)}") from None

    @staticmethod
    def from_jwt(jwt: str, *, keyring: Keyring, now: float) -> ParticipantToken:
        """Read a token that somebody presents; raises `Unauthenticated` unless all of it holds."""
        signed = jws.read(jwt)
        if not keyring.has_signed(signed):
            raise Unauthenticated("the token was signed with a secret that is not in use here")
        try:
            token = ParticipantToken.from_json(signed.payload)
            token.check_time(now)
        except Malformed as error:
            raise Unauthenticated(str(error)) from None
        if token.extra_payload.get("aud"):
            raise Unauthenticated("the token is meant for another audience")
        return token

    @staticmethod
    def from_jwt_unchecked(jwt: str) -> ParticipantToken:
        """Read what a token says, whoever signed it and whenever; never to let anybody in."""
        return ParticipantToken.from_json(jws.read(jwt).payload)

    def _add(self, name: str, scope: ApiScope | str) -> None:
        self.grants.append(ParticipantGrant(name=name, scope=scope))


def _time(payload: dict[str, JsonValue], claim: str) -> float | None:
    if claim not in payload:
        return None
    value = payload[claim]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"the token's {claim} must be a number of seconds since 1970")
    if not 0 <= value <= _TIME_MAX:
        raise Malformed(f"the token's {claim} is not a time: it must be in seconds since 1970")
    return float(value)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _first(error: ValidationError) -> str:
    """Say where a payload is wrong, and how, without repeating any of it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
