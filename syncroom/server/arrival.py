"""A client that wants to open a WebSocket: at which endpoint, who says it is, and from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from syncroom.server.credentials import visitor_of

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from syncroom.auth.visitor import Visitor


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request for a WebSocket, taken apart."""

    endpoint: str
    """The first part of its path."""
    visitor: Visitor
    host: str
    """Where the client has found the server: its host, and the path that it is mounted at."""
    is_secure: bool
    """Whether it came by TLS."""


def read_arrival(
    target: str, headers: Headers, address: str, *, root: str = "", is_secure: bool
) -> Arrival:
    """Take a request apart.

    Args:
        target: what is asked for, path and query as they stand in a request.
        headers: its headers.
        address: where the client is.
        root: the path that the server is mounted at, without ``/`` at its end.
        is_secure: whether the client came by TLS.
    """
    raw_path, _, query = target.partition("?")
    endpoint, _, rest = raw_path.lstrip("/").partition("/")
    room, _, path = rest.partition("/")
    visitor = visitor_of(_decode(room), _decode(path), query, headers, address)
    return Arrival(endpoint, visitor, headers.get("host", "") + root, is_secure)


def _decode(part: str) -> str:
    """A part of a URL as text; bytes that are none stay visible, and no path may hold them."""
    return unquote(part, errors="surrogateescape")
