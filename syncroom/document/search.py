"""Search in all that a document says: lines of its texts, and the strings in its values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from syncroom.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

_HITS_MAX = 1000
_SHOWN_MAX = 300
"""Characters of a line that are shown."""


def search(content: Any, query: str, is_regex: bool) -> list[dict[str, Any]]:
    """Where something stands: a JSON Pointer, the number of the line from 1, and the line."""
    try:
        find = re.compile(query if is_regex else re.escape(query)).search
    except re.error as error:
        raise Malformed(f"the pattern can't be read: {error}") from None
    hits: list[dict[str, Any]] = []
    for pointer, text in _strings(content, ""):
        for number, line in enumerate(text.splitlines(), 1):
            if find(line) is not None:
                hits.append({"pointer": pointer, "line": number, "text": line[:_SHOWN_MAX]})
                if len(hits) == _HITS_MAX:
                    return hits
    return hits


def _strings(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
        return
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for name, each in items:
        step = str(name).replace("~", "~0").replace("/", "~1")
        yield from _strings(each, f"{pointer}/{step}")
