"""Where a request carries its token: header, query or subprotocol. It is never logged."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl

from syncroom.auth.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import Headers

_PREFIXES = ("meshagent-room.", "syncroom.")


def visitor_of(room: str, path: str, query: str, headers: Headers, address: str) -> Visitor:
    """Whoever sent a request."""
    token = token_of(headers.get("authorization"), query, subprotocols(headers))
    return Visitor(room, path, token, headers, dict(parse_qsl(query)), address)


def subprotocols(headers: Headers) -> list[str]:
    """The subprotocols that a request offers, in order."""
    offered = ",".join(headers.getlist("sec-websocket-protocol"))
    return [each.strip() for each in offered.split(",")]


def accepted_subprotocol(offered: Iterable[str]) -> str | None:
    """Browsers want the subprotocol back that they offered: here, the one that is the token."""
    return next((each for each in offered if is_token(each)), None)


def token_of(authorization: str | None, query: str, subprotocols: Iterable[str]) -> str | None:
    """The token of a request, or None. The header wins over the query, and that over the rest."""
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    for token in parse_qs(query).get("token", []):
        return token
    for offered in subprotocols:
        if is_token(offered):
            return _bare(offered)
    return None


def is_token(subprotocol: str) -> bool:
    """Whether an offered subprotocol is a token: bare, or after one of the known prefixes."""
    return _bare(subprotocol).count(".") == 2


def _bare(subprotocol: str) -> str:
    for prefix in _PREFIXES:
        if subprotocol.startswith(prefix):
            return subprotocol[len(prefix) :]
    return subprotocol
