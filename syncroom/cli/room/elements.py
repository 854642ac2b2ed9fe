"""Elements of a document as JSON, searched as the SDKs do it, but in their texts as well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    Element = dict[str, Any]
    """One key, the tag; below it attributes, and a list of the elements that lie in it."""

_DELTA = "delta"
"""The key of a text's content, which is a list as well."""


def search(
    root: Element, pattern: re.Pattern[str], *, before: int = 0, after: int = 0
) -> list[Element]:
    """The elements that match, each once, in the order of the document.

    Args:
        root: where to search.
        pattern: what is searched for in tags, in names and values of attributes, and in texts.
        before: of each match, so many elements that lie before it beside it are found as well.
        after: so many that lie behind it.
    """
    found: dict[int, Element] = {}
    _search([root], pattern, before, after, found)
    return list(found.values())


def _search(
    siblings: Sequence[Element],
    pattern: re.Pattern[str],
    before: int,
    after: int,
    found: dict[int, Element],
) -> None:
    for index, element in enumerate(siblings):
        [(tag, body)] = element.items()
        lists = {name: each for name, each in body.items() if isinstance(each, list)}
        words = [tag, *(name for name in body if name not in lists)]
        words += [_word(each) for name, each in body.items() if name not in lists]
        words.append(_text(lists.pop(_DELTA, [])))
        if any(map(pattern.search, words)):
            first = max(0, index - before)
            found |= {id(each): each for each in siblings[first : index + after + 1]}
        for children in lists.values():
            _search(children, pattern, before, after, found)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _text(delta: list[dict[str, Any]]) -> str:
    pieces = (each.get("insert") for each in delta)
    return "".join(each for each in pieces if isinstance(each, str))
