"""
OAuth tokens that one participant asks another for: the other one authorizes, the server redeems.

The secret of the OAuth client goes to the token endpoint and to nobody else. A token that is
delegated is kept with what refreshes it, sealed; only access tokens are ever handed out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Protocol

from pydantic import Field, PositiveFloat, ValidationError

from syncroom.apis.base import Caller, Model, Request
from syncroom.apis.vault import Secret
from syncroom.errors import Malformed, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.apis.petitions import Petitions
    from syncroom.apis.vault import Vault
    from syncroom.auth.participant import Participant

TOKEN_TYPE = "application/vnd.syncroom.oauth"
"""The type of such secrets, which are never shown to anybody."""

_SPARE_S = 30.0
"""A token that ends so soon is as good as ended."""


class TokenEndpoints(Protocol):
    """Where codes are redeemed."""

    def check(self, url: str) -> None:
        """Raise `Misconfigured` for an endpoint that is not configured."""

    async def redeem(self, url: str, form: Mapping[str, str]) -> object:
        """The JSON that an endpoint answers; raises `Unavailable`."""


class OAuthClient(Model):
    """An OAuth client, and the endpoints that it is known at."""

    client_id: str
    client_secret: str | None = None
    authorization_endpoint: str
    token_endpoint: str
    no_pkce: bool | None = None
    scopes: list[str] | None = None

    @property
    def secret_id(self) -> str:
        """The id of the secrets that its tokens are kept as."""
        scopes = " ".join(sorted(self.scopes or ()))
        return f"oauth:{json.dumps([self.authorization_endpoint, self.client_id, scopes])}"


class _WithClient(Request):
    oauth: OAuthClient | None = None

    @property
    def client(self) -> OAuthClient:
        """The OAuth client; raises `Malformed`."""
        if self.oauth is None:
            raise Malformed("connectors are not known here: say which OAuth client and endpoints")
        return self.oauth


class RequestToken(_WithClient):
    """A token that another participant is asked to authorize."""

    redirect_uri: str = Field(max_length=2048)
    timeout: PositiveFloat = 300.0
    """In seconds."""
    participant_id: str
    delegate_to: str | None = Field(default=None, max_length=512)


class OfflineToken(_WithClient):
    """A token that was delegated before."""

    delegated_to: str | None = None
    delegated_by: str | None = None


class ProvideAuthorization(Request):
    """The answer: an authorization code, or why there is none."""

    request_id: str
    code: str | None = None
    error: str | None = None


class _Tokens(Model):
    access_token: str
    refresh_token: str | None = None
    expires_in: float | None = None


def may_request(participant: Participant, request: _WithClient) -> bool:
    """Whether somebody may request tokens of this client at this endpoint."""
    granted = participant.scope.secrets if participant.scope is not None else None
    return granted is not None and granted.can_request_oauth_token(
        endpoint=request.client.authorization_endpoint, client_id=request.client.client_id
    )


class OAuthTokens:
    """The tokens of one room.

    Args:
        vault: where those that are delegated are kept.
        petitions: asks participants.
        endpoints: where codes are redeemed.
    """

    def __init__(self, vault: Vault, petitions: Petitions, endpoints: TokenEndpoints) -> None:
        self._vault = vault
        self._petitions = petitions
        self._endpoints = endpoints

    async def request(self, caller: Caller, request: RequestToken) -> str:
        """An access token that another participant authorizes, or has delegated to the caller.

        Raises `Misconfigured`, `NotFound`, `Unanswered`, `Unavailable`.
        """
        client, me = request.client, caller.participant.name
        self._endpoints.check(client.token_endpoint)
        asked = self._petitions.find(request.participant_id)
        kept = await self._kept(me, client, asked.participant.name, me)
        if kept is not None:
            return kept
        verifier = None if client.no_pkce else secrets.token_urlsafe(64)
        shown = request.model_dump(exclude={"payload": True, "oauth": {"client_secret"}})
        header = {"challenge": _challenge(verifier), "request": shown}
        code = await self._petitions.ask(
            asked, "secrets.request_oauth_token", header, request.timeout
        )
        form = {
            "grant_type": "authorization_code",
            "code": code.decode(),
            "redirect_uri": request.redirect_uri,
            **({"code_verifier": verifier} if verifier is not None else {}),
        }
        tokens = await self._redeem(client, form)
        if request.delegate_to:
            name = asked.participant.name
            secret = Secret(name, client.secret_id, request.delegate_to, TOKEN_TYPE, "oauth")
            await self._keep(secret, tokens)
        return tokens.access_token

    async def offline(self, caller: Caller, request: OfflineToken) -> str | None:
        """An access token that was delegated before, refreshed if need be; None without one."""
        client, me = request.client, caller.participant.name
        self._endpoints.check(client.token_endpoint)
        return await self._kept(me, client, request.delegated_by, request.delegated_to)

    async def _kept(
        self, me: str, client: OAuthClient, owner: str | None, delegated_to: str | None
    ) -> str | None:
        found = await self._vault.find(
            me, id=client.secret_id, owner=owner, delegated_to=delegated_to
        )
        if found is None:
            return None
        kept = json.loads(self._vault.open(*found))
        if kept["ends_at"] is None or kept["ends_at"] > time.time() + _SPARE_S:
            access_token: str = kept["access_token"]
            return access_token
        if kept["refresh_token"] is None:
            return None
        form = {"grant_type": "refresh_token", "refresh_token": kept["refresh_token"]}
        fresh = await self._redeem(client, form)
        await self._keep(found[0], fresh, kept["refresh_token"])
        return fresh.access_token

    async def _redeem(self, client: OAuthClient, form: Mapping[str, str]) -> _Tokens:
        whose = {"client_id": client.client_id}
        if client.client_secret is not None:
            whose["client_secret"] = client.client_secret
        answer = await self._endpoints.redeem(client.token_endpoint, {**form, **whose})
        try:
            return _Tokens.model_validate(answer)
        except ValidationError:
            raise Unavailable("the token endpoint answered without an access token") from None

    async def _keep(
        self, secret: Secret, tokens: _Tokens, refreshed_with: str | None = None
    ) -> None:
        lasts = tokens.expires_in
        kept = {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token or refreshed_with,
            "ends_at": None if lasts is None else time.time() + lasts,
        }
        await self._vault.put(secret, json.dumps(kept).encode())


def _challenge(verifier: str | None) -> str | None:
    """What proves later that who redeems the code is who asked for it (PKCE, S256)."""
    if verifier is None:
        return None
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
