"""
Calls of agents elsewhere: a POST that tells one to join a room, with a token to do so.

The body and its signature are those that the published SDKs' webhook servers check: the SHA-256
of the body, in a JWT of its own. The token grants no more than its caller has, and no longer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING

import httpx
from pydantic import ValidationError

from syncroom.agent_tokens import agent_token
from syncroom.auth import jws
from syncroom.auth.scopes import ApiScope
from syncroom.errors import Malformed, Unavailable

if TYPE_CHECKING:
    from ssl import SSLContext

    from pydantic import SecretStr

    from syncroom.apis.agents import CallAgent
    from syncroom.apis.base import Caller
    from syncroom.auth.keys import Keyring

_ANSWER_S_MAX = 30.0


class Webhooks:
    """The agents that one server calls.

    Args:
        keyring: holds the secret that tokens are signed with.
        secret: what calls are signed with, so that agents know them; None leaves them unsigned.
    """

    def __init__(self, keyring: Keyring, secret: SecretStr | None) -> None:
        self._keyring = keyring
        self._secret = secret
        self._tls: SSLContext | None = None

    async def call(self, room_name: str, caller: Caller, request: CallAgent) -> None:
        """Ask an agent to join; raises `Malformed`, and `Unavailable` where it does not agree."""
        url = _url(request.url)
        data = {
            "room_name": room_name,
            "room_url": caller.room_url,
            "token": self._token(room_name, caller, request),
            "arguments": request.arguments,
        }
        # signed byte for byte as its receivers spell it: Python's own spelling of JSON
        body = json.dumps({"event": "room.call", "data": data}).encode()
        headers = {"Content-Type": "application/json", **self._signature(body)}
        if self._tls is None:
            self._tls = await asyncio.to_thread(httpx.create_ssl_context)  # reads 200 KB of roots
        try:
            async with (
                asyncio.timeout(_ANSWER_S_MAX),
                httpx.AsyncClient(verify=self._tls, timeout=_ANSWER_S_MAX) as client,
                client.stream("POST", url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code  # nobody needs the body, and it may have no end
        except TimeoutError:
            raise Unavailable(
                f"the agent at {url.host} did not answer in {_ANSWER_S_MAX:g} s"
            ) from None
        except httpx.HTTPError as error:
            raise Unavailable(f"the agent at {url.host} can't be reached: {error}") from None
        if not 200 <= status < 300:
            raise Unavailable(f"the agent at {url.host} answered {status}")

    def _signature(self, body: bytes) -> dict[str, str]:
        if self._secret is None:
            return {}
        signed = jws.sign(
            {"sha256": hashlib.sha256(body).hexdigest()}, self._secret.get_secret_value()
        )
        return {"Meshagent-Signature": f"Bearer {signed}"}

    def _token(self, room_name: str, caller: Caller, request: CallAgent) -> str:
        try:
            wanted = None if request.api is None else ApiScope.model_validate(request.api)
        except ValidationError:
            raise Malformed("the api scope for the agent is none") from None
        return agent_token(self._keyring, room_name, caller, request.name, wanted)


def _url(text: str) -> httpx.URL:
    """Where an agent is; raises `Malformed`."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise Malformed(f"the URL {text[:80]!r} is no HTTP URL")
    return url
