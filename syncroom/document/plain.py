"""
Content as JSON: what native types hold, as values that every program knows.

A text is a string, a map an object, a list an array, XML its source. What stands in a text and is
none, a picture for instance, is U+FFFC. Bytes are ``{"$bytes": "..."}`` in base64, a document in a
document is ``{"$document": "its guid"}``, and what JSON has no number for is null.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from syncroom.document.xml import source

if TYPE_CHECKING:
    from syncroom.document.opened import Opened

OBJECT = "\ufffc"
"""Stands for what is no text, in a text."""

BYTES = "$bytes"

KINDS: dict[type, str] = {Text: "text", Map: "map", Array: "array", XmlFragment: "xml"}

_EXACT_MAX = 2**53 - 1


def content(opened: Opened) -> dict[str, Any]:
    """The whole document."""
    with opened.doc.transaction():
        return {name: plain(opened.root(name)) for name in sorted(opened.kinds)}


def plain(value: Any) -> Any:
    """One value, and all that lies in it."""
    if isinstance(value, Text):
        return characters(value)
    if isinstance(value, XmlElement | XmlFragment | XmlText):
        return source(value)
    if isinstance(value, Map | dict):
        return {name: plain(value[name]) for name in value.keys()}
    if isinstance(value, Array | list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, bytes | bytearray):
        return {BYTES: b64encode(value).decode()}
    if isinstance(value, Doc):
        return {"$document": value.guid}
    return number(value) if isinstance(value, int | float) else value


def characters(text: Text | XmlText) -> str:
    """A text, with U+FFFC for each thing in it that is none."""
    runs = text.diff()
    return "".join([part if isinstance(part, str) else OBJECT for part, _ in runs])


def number(value: Any) -> Any:
    """A number as both sides of a comparison have it: whole ones are integers."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT_MAX else float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) <= _EXACT_MAX else value


def normal(value: Any) -> Any:
    """JSON as it reads once it was written: a number's form is not kept."""
    if isinstance(value, dict):
        return {name: normal(each) for name, each in value.items()}
    if isinstance(value, list):
        return [normal(each) for each in value]
    return number(value) if isinstance(value, int | float) else value


def key(value: Any) -> str:
    """A text that is the same for equal values of JSON, and only for those."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
