"""Requests to a server that runs, and its errors as ours."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from syncroom.errors import Misconfigured, SyncroomError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWER_S_MAX = 120.0
_KINDS = {kind.code: kind for kind in SyncroomError.__subclasses__()}


@contextmanager
def asking(
    method: str,
    url: str,
    bearer: str | None,
    body: bytes | None = None,
    media_type: str = "application/json",
) -> Iterator[Any]:
    """The answer of a server, to be read; raises the error that it tells, `Unavailable`."""
    if not url.startswith(("http://", "https://")):
        raise Misconfigured(f"{url!r} is no http or https URL")
    request = urllib.request.Request(url, body, method=method)
    if bearer is not None:
        request.add_header("Authorization", f"Bearer {bearer}")
    if body is not None:
        request.add_header("Content-Type", media_type)
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S_MAX) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        with error:
            raise error_of(error.code, error.read()) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Unavailable(f"{url} can't be reached: {reason}") from None


def error_of(status: int, body: bytes) -> SyncroomError:
    """The error in an answer."""
    try:
        told = json.loads(body)["error"]
        return _KINDS.get(told["code"], SyncroomError)(told["message"])
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"the server answered {status}, which is none of its own answers")
