"""
Edits that make content equal to what somebody wants, and touch nothing else.

What stays stays the same to everybody: a text changes only where it differs, so cursors elsewhere
remain, and what others do at the same time merges. A new object or array becomes a shared type, so
that several people can work in it, unless its neighbours are plain values.
"""

from __future__ import annotations

from base64 import b64decode
from difflib import SequenceMatcher
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from pycrdt import Array, Map, Text, XmlElement, XmlFragment, XmlText

from syncroom.document.differences import changes
from syncroom.document.plain import BYTES, characters, key, normal, plain
from syncroom.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncroom.document.content import Root
    from syncroom.document.opened import Opened

_COMPARED_MAX = 1_000_000
"""Pairs of values that are compared to keep what is in the middle of two lists."""

_ROOT_KINDS: dict[type, Root] = {str: Text, dict: Map, list: Array}

_EMPTY: dict[Any, Any] = {Text: "", Map: {}, Array: [], XmlFragment: ""}


def set_content(opened: Opened, target: Any) -> None:
    """Make the whole document equal to an object; raises `Malformed`."""
    if not isinstance(target, dict):
        raise Malformed("the content of a document is a JSON object, a root type for each key")
    for name in sorted({*opened.kinds, *target}):
        kind = opened.kinds.get(name)
        if name not in target:
            # Roots can't be taken away; an empty one counts as none.
            value: Any = _EMPTY.get(kind)
        else:
            value = normal(target[name])
        wanted = kind or _ROOT_KINDS.get(type(value))
        if wanted is None:
            raise Malformed(f"the root {name!r} must be a text, an object or an array")
        _set_value(opened.root(name, wanted), value, f"the root {name!r}")


def set_root_text(opened: Opened, name: str | None, target: str) -> None:
    """Make one text equal to another; without a name the only text, or a new ``content``."""
    if name is None:
        name = only_root(opened, (Text,)) or "content"
    kind = opened.kinds.get(name, Text)
    if kind is not Text:
        raise Malformed(f"the root {name!r} is no text")
    text = opened.root(name, Text)
    if any(attributes for _, attributes in text.diff()):
        raise Malformed(f"the text {name!r} has formats, which plain text would not keep")
    set_text(text, target)


def only_root(opened: Opened, kinds: tuple[type, ...]) -> str | None:
    """The root of some kinds that is meant when none is named: ``content``, or the only one."""
    names = [name for name, kind in opened.kinds.items() if kind in kinds]
    if "content" in names:
        return "content"
    if len(names) > 1:
        listed = ", ".join(map(repr, sorted(names)))
        raise Malformed(f"the document has several roots: name one of {listed}")
    return names[0] if names else None


def set_text(text: Text | XmlText, target: str) -> None:
    """Change a text where it differs. Native positions count bytes of UTF-8."""
    current = characters(text)
    if current == target:
        return
    ends = offsets(text)
    for first, end, new in reversed(list(changes(current, target))):
        if end > first:
            del text[ends[first] : ends[end]]
        if new:
            text.insert(ends[first], new)


def offsets(text: Text | XmlText) -> list[int]:
    """Where each character begins, and the last one ends; what is no text is one wide."""
    widths: list[int] = []
    for part, _ in text.diff():
        widths += [len(each.encode()) for each in part] if isinstance(part, str) else [1]
    return [0, *accumulate(widths)]


def _set_value(shared: Any, target: Any, where: str) -> None:
    if key(plain(shared)) == key(target):
        return
    if isinstance(shared, XmlElement | XmlFragment | XmlText):
        raise Malformed(f"{where} is XML, which can be read but not be set")
    if isinstance(shared, Text) and isinstance(target, str):
        set_text(shared, target)
    elif isinstance(shared, Map) and isinstance(target, dict):
        _set_map(shared, target, where)
    elif isinstance(shared, Array) and isinstance(target, list):
        _set_array(shared, target, where)
    else:
        raise Malformed(f"{where} can't become another type than it is")


def _set_map(shared: Map[Any], target: dict[str, Any], where: str) -> None:
    is_plain = _has_plain(shared[name] for name in shared.keys())
    for name in list(shared.keys()):
        if name not in target:
            del shared[name]
    for name, value in target.items():
        if name in shared:
            old = shared[name]
            if key(plain(old)) == key(value):
                continue
            if _may_become(old, value):
                _set_value(old, value, f"{where}, {name!r}")
                continue
        shared[name] = _build(value, is_plain)


def _set_array(shared: Array[Any], target: list[Any], where: str) -> None:
    old = list(shared)
    is_plain = _has_plain(old)
    before, after = [key(plain(each)) for each in old], [key(each) for each in target]
    for first, end, start, stop in reversed(blocks(before, after)):
        both = min(end - first, stop - start)
        kept = 0
        while kept < both and _may_become(old[first + kept], target[start + kept]):
            kept += 1
        if end > first + kept:
            del shared[first + kept : end]
        for at in range(start + kept, stop):
            shared.insert(first + at - start, _build(target[at], is_plain))
        for at in range(kept):
            _set_value(old[first + at], target[start + at], f"{where}, {first + at}")


def blocks(before: list[str], after: list[str]) -> list[tuple[int, int, int, int]]:
    """Where two lists differ: from, to in the one and from, to in the other."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if len(old) * len(new) > _COMPARED_MAX:
        return [(head, head + len(old), head, head + len(new))]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return [
        (head + first, head + end, head + start, head + stop)
        for tag, first, end, start, stop in matcher.get_opcodes()
        if tag != "equal"
    ]


def _may_become(old: Any, value: Any) -> bool:
    """Whether a shared type can be edited into a value, rather than be replaced."""
    pairs = ((Map, dict), (Array, list), (Text, str))
    return any(isinstance(old, shared) and isinstance(value, kind) for shared, kind in pairs)


def _has_plain(values: Iterable[Any]) -> bool:
    return any(isinstance(each, dict | list) for each in values)


def _build(value: Any, is_plain: bool) -> Any:
    """A new value, as native code takes it."""
    if isinstance(value, dict):
        if set(value) == {BYTES} and isinstance(value[BYTES], str):
            return _bytes(value[BYTES])
        items = {name: _build(each, is_plain) for name, each in value.items()}
        return items if is_plain else Map(items)
    if isinstance(value, list):
        parts = [_build(each, is_plain) for each in value]
        return parts if is_plain else Array(parts)
    return value


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise Malformed(f"the value of {BYTES} is not base64") from None
