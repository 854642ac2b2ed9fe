"""Where clients find a room, as a server tells them."""

from __future__ import annotations

from urllib.parse import quote, urlsplit


def room_url(public_url: str | None, host: str, is_secure: bool, room: str) -> str:
    """The WebSocket URL of a room.

    Args:
        public_url: the server's own URL as clients know it, if it was set; it decides.
        host: the ``Host`` header of the request that is answered, and the path that the server is
            mounted at.
        is_secure: whether that request came by TLS, to this server or to a proxy that is trusted.
        room: the name of the room.
    """
    if public_url is None:
        base = f"{'wss' if is_secure else 'ws'}://{host}"
    else:
        parts = urlsplit(public_url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        base = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return f"{base}/rooms/{quote(room, safe='')}"
