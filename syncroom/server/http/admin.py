"""
The settings of a running server, for whoever owns it or looks after rooms; secrets are masked.

Limits are shown to tokens with the grant `admin`, and all the rest to API keys alone. What can be
changed while it runs is what the log tells, with a key; everything else takes a restart.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.routing import Route

from syncroom import __version__
from syncroom.logs import about
from syncroom.server.http.asker import asker_of
from syncroom.server.http.body import Body, read_json

if TYPE_CHECKING:
    from starlette.requests import Request

    from syncroom.auth.keys import Keyring
    from syncroom.backends import Backends
    from syncroom.limits import Limits

_log = logging.getLogger("syncroom.server")
_package_log = logging.getLogger("syncroom")


class Changes(Body):
    """What is to be another."""

    log_level: Literal["debug", "info", "warning", "error"]


class Admin:
    """The endpoints for it.

    Args:
        keyring: the keys that may ask.
        limits: the bounds of the server.
        backends: what lies outside.
        public_url: where clients reach the server.
    """

    def __init__(
        self, keyring: Keyring, limits: Limits, backends: Backends, public_url: str | None
    ) -> None:
        self._keyring = keyring
        self._limits = limits
        self._backends = backends
        self._public_url = public_url
        path = "/api/admin/config"
        self.routes = [
            Route(path, self._read, methods=["GET"]),
            Route(path, self._change, methods=["PATCH"]),
        ]

    async def _read(self, request: Request) -> JSONResponse:
        asker = asker_of(request, self._keyring)
        asker.rooms()  # raises where a token has no such grant
        shown: dict[str, Any] = {"version": __version__, "limits": self._limits.model_dump()}
        if asker.key is not None:
            shown |= self._own()
        return JSONResponse(shown)

    async def _change(self, request: Request) -> JSONResponse:
        key = asker_of(request, self._keyring).owner()
        changes = await read_json(request, Changes, self._limits)
        _package_log.setLevel(changes.log_level.upper())
        _log.warning("log level changed", extra=about(level=changes.log_level, key=key.id))
        return JSONResponse(self._own())

    def _own(self) -> dict[str, Any]:
        """What is for the owner of the server alone."""
        backends = self._backends.model_dump(mode="json")  # which masks what is secret
        return {
            "log_level": logging.getLevelName(_package_log.getEffectiveLevel()).lower(),
            "public_url": self._public_url,
            "backends": {name: _without_user(value) for name, value in backends.items()},
        }


def _without_user(value: Any) -> Any:
    """A value; of a URL, without name and password."""
    if not isinstance(value, str) or "@" not in value:
        return value
    parts = urlsplit(value)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
