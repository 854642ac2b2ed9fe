"""
Where OAuth codes are redeemed: a POST to an endpoint that the operator has named, and to no other.

Participants name the endpoint, so without a list they could make the server call anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from syncroom.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_ANSWER_S_MAX = 30.0


class ConfiguredEndpoints:
    """The endpoints that one server knows.

    Args:
        urls: all of them, each as participants have to name it.
    """

    def __init__(self, urls: Collection[str]) -> None:
        self._urls = frozenset(urls)

    def check(self, url: str) -> None:
        """Raise `Misconfigured` for an endpoint that is not configured."""
        if url not in self._urls:
            raise Misconfigured(
                "OAuth tokens of this endpoint are not available on this server: "
                "the setting backends.oauth_token_endpoints does not list it"
            )

    async def redeem(self, url: str, form: Mapping[str, str]) -> object:
        """The JSON that an endpoint answers; raises `Unavailable`."""
        host = httpx.URL(url).host
        try:
            async with httpx.AsyncClient(timeout=_ANSWER_S_MAX) as client:
                answer = await client.post(
                    url, data=dict(form), headers={"Accept": "application/json"}
                )
        except httpx.HTTPError as error:
            kind = type(error).__name__
            raise Unavailable(f"the token endpoint at {host} can't be reached: {kind}") from None
        if not answer.is_success:
            raise Unavailable(f"the token endpoint at {host} answered {answer.status_code}")
        try:
            return answer.json()
        except ValueError:
            raise Unavailable(f"the token endpoint at {host} answered no JSON") from None
