"""Lists that are answered page by page: how long a page is, and where the next one begins."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from syncroom.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = "continuation_token"


def read_size(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """The length of a page that is asked for; raises `Malformed`."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= most):
        raise Malformed(f"{name} is a number from 1 to {most}, not {text[:20]!r}")
    return int(text)


def token_after(name: str) -> str:
    """What to ask with for what comes after a name."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def read_token(query: Mapping[str, str]) -> str:
    """The name after which a list goes on, empty for its begin; raises `Malformed`."""
    try:
        return base64.b64decode(query.get(_TOKEN, ""), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise Malformed(f"{_TOKEN} is not one that was answered") from None
