"""
Secrets of participants, and requests for them.  Grant: `secrets`.

A secret belongs to the name in its owner's token, and is sealed on disk. It is shown to its owner
and to whom it is delegated, to nobody else, and stands in no list, log or error. One participant
may ask another for a secret; what is provided goes to who asked, and is kept only where it is
delegated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveFloat

from syncroom.apis.base import Caller, Request, Toolkit, always, tool
from syncroom.apis.oauth import (
    TOKEN_TYPE,
    OAuthTokens,
    OfflineToken,
    ProvideAuthorization,
    RequestToken,
    may_request,
)
from syncroom.apis.petitions import Petitions, Unanswered
from syncroom.apis.vault import Secret
from syncroom.errors import Malformed, NotFound
from syncroom.protocol.meshagent import EMPTY, Content

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from syncroom.apis.oauth import TokenEndpoints
    from syncroom.apis.vault import Vault
    from syncroom.auth.participant import Participant
    from syncroom.limits import Limits

_PLAIN_TYPE = "application/octet-stream"
_REQUESTED = "requested:"
_RESERVED = (_REQUESTED, "oauth:")
"""Ids that begin so are of what was requested."""


class SetSecret(Request):
    """A secret to keep."""

    secret_id: str | None = Field(default=None, max_length=512)
    type: str | None = Field(default=None, max_length=256)
    name: str | None = Field(default=None, max_length=512)
    delegated_to: str | None = Field(default=None, max_length=512)
    for_identity: str | None = Field(default=None, max_length=512)


class GetSecret(Request):
    """A secret, by one or more of these."""

    secret_id: str | None = None
    type: str | None = None
    name: str | None = None
    delegated_to: str | None = None


class Exists(Request):
    """A secret that may be there."""

    secret_id: str
    delegated_to: str | None = None
    for_identity: str | None = None


class DeleteSecret(Request):
    """A secret to take away."""

    id: str
    delegated_to: str | None = None


class DeleteRequested(Request):
    """A secret that was requested and kept."""

    url: str
    type: str
    delegated_to: str | None = None


class RequestSecret(Request):
    """A secret that another participant is asked for."""

    url: str = Field(max_length=2048)
    """What it is for."""
    type: str = Field(max_length=256)
    participant_id: str
    timeout: PositiveFloat = 300.0
    """In seconds."""
    delegate_to: str | None = Field(default=None, max_length=512)
    """Whose it is to be as well from then on."""


class Provide(Request):
    """The answer to such a request: what came with it, or why there is none."""

    request_id: str
    error: str | None = None


def _may_act_for(participant: Participant, request: SetSecret | Exists) -> bool:
    return request.for_identity is None or participant.may_administer


class Secrets(Toolkit):
    """The secrets of one room.

    Args:
        vault: where they are kept.
        endpoints: where OAuth codes are redeemed.
        members: who can be asked for one, by id.
        limits: the bounds of the server.
    """

    name: ClassVar = "secrets"
    grant: ClassVar = "secrets"
    numbers: ClassVar = {Unanswered: 1009}

    def __init__(
        self,
        vault: Vault,
        endpoints: TokenEndpoints,
        members: Mapping[str, Caller],
        limits: Limits,
    ) -> None:
        self._vault = vault
        self._petitions = Petitions(members, limits)
        self._tokens = OAuthTokens(vault, self._petitions, endpoints)

    def leave(self, caller: Caller) -> None:
        """Fail what a caller was asked for, for it is gone."""
        self._petitions.leave(caller)

    @tool(Request, always)
    async def list_secrets(self, caller: Caller, request: Request) -> dict[str, Any]:
        """List what the caller may use."""
        mine = await self._vault.list_for(caller.participant.name)
        return {"secrets": [_entry(each) for each in mine]}

    @tool(Exists, _may_act_for)
    async def exists(self, caller: Caller, request: Exists) -> dict[str, Any]:
        """Whether a secret is there."""
        who = request.for_identity or caller.participant.name
        found = await self._vault.find(who, id=request.secret_id, delegated_to=request.delegated_to)
        return {"exists": found is not None}

    @tool(SetSecret, _may_act_for)
    async def set_secret(self, caller: Caller, request: SetSecret) -> None:
        """Keep a secret."""
        id = request.secret_id or request.name
        if not id:
            raise Malformed("a secret needs an id or a name")
        if id.startswith(_RESERVED):
            raise Malformed(f"the id of a secret can't begin with {' or '.join(_RESERVED)}")
        owner = request.for_identity or caller.participant.name
        type = request.type or _PLAIN_TYPE
        secret = Secret(owner, id, request.delegated_to or None, type, request.name or id)
        await self._vault.put(secret, request.payload)

    @tool(GetSecret, always)
    async def get_secret(self, caller: Caller, request: GetSecret) -> Content:
        """What a secret is; nothing where there is none."""
        if request.secret_id is None and request.name is None:
            raise Malformed("name the secret by its id or its name")
        found = await self._vault.find(
            caller.participant.name,
            id=request.secret_id,
            type=request.type,
            name=request.name,
            delegated_to=request.delegated_to,
        )
        if found is None or found[0].type == TOKEN_TYPE:
            return EMPTY
        return _file(found[0], self._vault.open(*found))

    @tool(DeleteSecret, always)
    async def delete_secret(self, caller: Caller, request: DeleteSecret) -> None:
        """Take a secret away; raises `NotFound`."""
        await self._delete(caller, request.id, request.delegated_to)

    @tool(DeleteRequested, always)
    async def delete_requested_secret(self, caller: Caller, request: DeleteRequested) -> None:
        """Take a secret away that was requested and delegated; raises `NotFound`."""
        await self._delete(caller, _requested_id(request), request.delegated_to)

    @tool(RequestSecret, always)
    async def request_secret(self, caller: Caller, request: RequestSecret) -> Content:
        """Ask another participant for a secret, unless it delegated one to the caller before."""
        asked = self._petitions.find(request.participant_id)
        owner, id = asked.participant.name, _requested_id(request)
        me = caller.participant.name
        found = await self._vault.find(me, id=id, owner=owner, delegated_to=me)
        if found is not None:
            return _file(found[0], self._vault.open(*found))
        fields = request.model_dump(exclude={"payload"})
        data = await self._petitions.ask(
            asked, "secrets.request_secret", {"request": fields}, request.timeout
        )
        secret = Secret(owner, id, request.delegate_to, request.type or _PLAIN_TYPE, request.url)
        if request.delegate_to:
            await self._vault.put(secret, data)
        return _file(secret, data)

    @tool(Provide, always)
    def provide_secret(self, caller: Caller, request: Provide) -> None:
        """Answer such a request; raises `NotFound`."""
        data = request.payload if request.error is None else None
        self._petitions.answer(caller, request.request_id, data, request.error)

    @tool(RequestToken, may_request)
    async def request_oauth_token(self, caller: Caller, request: RequestToken) -> dict[str, Any]:
        """Ask another participant to authorize a token, unless it delegated one before."""
        return {"access_token": await self._tokens.request(caller, request)}

    @tool(OfflineToken, may_request)
    async def get_offline_oauth_token(
        self, caller: Caller, request: OfflineToken
    ) -> dict[str, Any]:
        """A token that was delegated before; null where there is none."""
        return {"access_token": await self._tokens.offline(caller, request)}

    @tool(ProvideAuthorization, always)
    def provide_oauth_authorization(self, caller: Caller, request: ProvideAuthorization) -> None:
        """Answer such a request with an authorization code; raises `NotFound`."""
        code = request.code.encode() if request.code and request.error is None else None
        self._petitions.answer(caller, request.request_id, code, request.error)

    async def _delete(self, caller: Caller, id: str, delegated_to: str | None) -> None:
        found = await self._vault.find(caller.participant.name, id=id, delegated_to=delegated_to)
        if found is None:
            raise NotFound(f"you have no secret {id[:80]!r}")
        await self._vault.delete(found[0])


def _requested_id(request: RequestSecret | DeleteRequested) -> str:
    return f"{_REQUESTED}{request.type}:{request.url}"


def _entry(secret: Secret) -> dict[str, Any]:
    return {
        "id": secret.id,
        "type": secret.type,
        "name": secret.name,
        "delegated_to": secret.delegated_to,
    }


def _file(secret: Secret, data: bytes) -> Content:
    return Content({"type": "file", "name": secret.name, "mime_type": secret.type}, data)
