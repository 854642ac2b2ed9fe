"""
All that a reader sees of a document, read by the native library and boiled down to one hash.

Native code reads vetted bytes here and may still fail or never end, so this runs in a process of
its own, with limits.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from syncroom.document.structs import NOTHING
from syncroom.protocol import state_vector
from syncroom.protocol.update import EMBED, FORMAT, STRING, TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncroom.document.structs import Structs

    Root = type[Text] | type[Map[Any]] | type[Array[Any]] | type[XmlFragment]
    Roots = dict[str, Root]

_XML_KINDS = (3, 4, 6)
"""Element, fragment and text, as a type's content begins."""


def find_roots(structs: Structs) -> Roots:
    """The root types of a document, and as what to read each: updates name no kind.

    A root that is read as the wrong kind can keep the native library busy for ever: whatever holds
    text is one.
    """
    roots: Roots = {}
    for at, kind in enumerate(structs.kinds):
        place = structs.places[structs.place[at]]
        if place.parent != NOTHING or structs.is_gone(at):
            continue
        name = place.root.decode()
        if kind in (STRING, FORMAT, EMBED):
            roots[name] = Text  # also when it is deleted: nothing else ever holds these
        elif structs.is_all_deleted(at):
            continue
        elif place.key is not None:
            roots.setdefault(name, Map)
        elif roots.get(name) is not Text:
            is_xml = kind == TYPE and structs.data[structs.contents[at]] in _XML_KINDS
            roots[name] = XmlFragment if is_xml else Array
    return roots


def fingerprint(data: bytes, roots: Roots) -> str:
    """A hash over the state vector and everything under the roots.

    Whatever the native library raises, a panic among it, passes through.
    """
    doc: Doc[Any] = Doc()
    read = [doc.get(name, type=kind) for name, kind in sorted(roots.items())]
    doc.apply_update(data)
    clocks = sorted(state_vector.decode(doc.get_state()).items())
    return sha256(repr((clocks, [_plain(each) for each in read])).encode()).hexdigest()


def _attributes(value: XmlElement | XmlText) -> Any:
    named = cast("Iterator[tuple[str, Any]]", value.attributes)
    return sorted((name, _plain(each)) for name, each in named)


def _plain(value: Any) -> Any:
    """A value as something whose ``repr`` is the same whenever the content is."""
    if isinstance(value, Text | XmlText):
        runs: list[list[Any]] = []
        for part, attributes in value.diff():
            named = _plain(attributes)
            if isinstance(part, str) and runs and runs[-1][0] == "text" and runs[-1][2] == named:
                runs[-1][1] += part
            else:
                runs.append(["text" if isinstance(part, str) else "embed", _plain(part), named])
        return "text", runs, _attributes(value) if isinstance(value, XmlText) else None
    if isinstance(value, XmlElement):
        children = [_plain(child) for child in value.children]
        return "element", value.tag, _attributes(value), children
    if isinstance(value, XmlFragment):
        return "fragment", [_plain(child) for child in value.children]
    if isinstance(value, Map | dict):
        items = sorted((key, _plain(each)) for key, each in value.items())
        return "map" if isinstance(value, Map) else "object", items
    if isinstance(value, Array | list):
        return "array" if isinstance(value, Array) else "list", [_plain(each) for each in value]
    if isinstance(value, Doc):
        return "document", value.guid
    return value
