"""XML types as XML source: well formed whatever names and characters somebody put into them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from pycrdt import XmlElement, XmlText

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pycrdt import XmlFragment

_REFUSED_IN_NAME = re.compile(r"[^\w.-]")
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def source(node: XmlElement | XmlFragment | XmlText) -> str:
    """The source of a node with all that lies in it. A mark of a text is an element around it."""
    if isinstance(node, XmlText):
        return "".join([_run(part, marks) for part, marks in node.diff()])
    inner = "".join([source(child) for child in node.children])
    if not isinstance(node, XmlElement):
        return inner
    attributes = "".join([_attribute(*each) for each in sorted(attributes_of(node).items())])
    return _element(node.tag or "", attributes, inner)


def attributes_of(node: XmlElement) -> dict[str, Any]:
    """The attributes of an element by name."""
    pairs: Any = node.attributes
    return dict(iter(pairs))


def _run(part: Any, marks: Mapping[str, Any] | None) -> str:
    text = escape(_clean(part)) if isinstance(part, str) else _element("embed", "", _value(part))
    for name, value in sorted((marks or {}).items()):
        if value is None or value is False:
            continue
        fields = value.items() if isinstance(value, dict) else ()
        text = _element(name, "".join([_attribute(*each) for each in sorted(fields)]), text)
    return text


def _element(name: str, attributes: str, inner: str) -> str:
    tag = _name(name)
    return f"<{tag}{attributes}>{inner}</{tag}>" if inner else f"<{tag}{attributes}/>"


def _attribute(name: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f" {_name(name)}={quoteattr(_clean(text))}"


def _value(value: Any) -> str:
    return escape(_clean(json.dumps(value, ensure_ascii=False, default=str)))


def _name(name: str) -> str:
    clean = _REFUSED_IN_NAME.sub("_", name)
    return clean if clean[:1].isalpha() else f"_{clean}"


def _clean(text: str) -> str:
    return _REFUSED.sub("\ufffd", text)
