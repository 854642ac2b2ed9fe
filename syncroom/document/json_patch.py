"""
JSON Patch (RFC 6902) on plain values: all operations of a patch are done, or none.

What was given is not changed; the result may share values with it.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from syncroom.document.plain import key
from syncroom.errors import Malformed

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


def apply_patch(document: Any, patch: Any) -> Any:
    """The document that a patch makes of one; raises `Malformed`, which says at which operation."""
    if not isinstance(patch, list):
        raise Malformed("a JSON Patch is an array of operations")
    holder = [copy.deepcopy(document)]
    for index, operation in enumerate(patch):
        try:
            _apply(holder, operation)
        except Malformed as error:
            raise Malformed(f"operation {index} of the patch: {error}") from None
    return holder[0]


def _apply(holder: list[Any], operation: Any) -> None:
    if not isinstance(operation, dict):
        raise Malformed("it is no object")
    op = operation.get("op")
    path = _pointer(operation, "path")
    if op == "add":
        _add(holder, path, copy.deepcopy(_value(operation)))
    elif op == "remove":
        _remove(holder, path)
    elif op == "replace":
        _replace(holder, path, copy.deepcopy(_value(operation)))
    elif op == "move":
        source = _pointer(operation, "from")
        if path[: len(source)] == source and path != source:
            raise Malformed("a value can't be moved into itself")
        _add(holder, path, _remove(holder, source))
    elif op == "copy":
        _add(holder, path, copy.deepcopy(_find(holder, _pointer(operation, "from"))))
    elif op == "test":
        if key(_find(holder, path)) != key(_value(operation)):
            raise Malformed(f"the test of {operation['path']!r} fails")
    else:
        raise Malformed(f"its op is {op!r}; add, remove, replace, move, copy and test are known")


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise Malformed("it has no value")
    return operation["value"]


def _pointer(operation: dict[str, Any], name: str) -> list[str]:
    """The steps of a JSON Pointer (RFC 6901); the first leads to the document in its holder."""
    text = operation.get(name)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise Malformed(f"its {name} is no JSON Pointer")
    if re.search("~(?![01])", text):
        raise Malformed(f"its {name} holds a ~ that is neither ~0 nor ~1")
    return ["0", *(each.replace("~1", "/").replace("~0", "~") for each in text.split("/")[1:])]


def _find(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = value[_existing(value, step)]
    return value


def _add(holder: list[Any], path: list[str], value: Any) -> None:
    if len(path) == 1:
        holder[0] = value
        return
    parent, step = _find(holder, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if step == "-" else _position(parent, step, len(parent)), value)
    elif isinstance(parent, dict):
        parent[step] = value
    else:
        raise Malformed(f"{step!r} is looked for in what is neither object nor array")


def _remove(holder: list[Any], path: list[str]) -> Any:
    if len(path) == 1:
        raise Malformed("the whole document can't be removed")
    parent = _find(holder, path[:-1])
    return parent.pop(_existing(parent, path[-1]))


def _replace(holder: list[Any], path: list[str], value: Any) -> None:
    parent = _find(holder, path[:-1])
    parent[_existing(parent, path[-1])] = value


def _existing(parent: Any, step: str) -> Any:
    """The key or the index of something that is there."""
    if isinstance(parent, dict):
        if step not in parent:
            raise Malformed(f"there is no {step!r}")
        return step
    if isinstance(parent, list):
        return _position(parent, step, len(parent) - 1)
    raise Malformed(f"{step!r} is looked for in what is neither object nor array")


def _position(parent: list[Any], step: str, last: int) -> int:
    if _INDEX.fullmatch(step) is None or int(step) > last:
        raise Malformed(f"{step!r} is no place in an array of {len(parent)}")
    return int(step)
