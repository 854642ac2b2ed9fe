"""
Documents that follow a schema, read as the JSON that MeshAgent clients know: an object with one
key, the tag, for each element.

The elements lie in the root type ``xml``, which stands for the root element. Python clients can't
open a document in which that type has attributes, so those of the root element lie in a map of
their own; what others wrote into the type itself is read as well.

Any client may write anything. What the schema does not know is left out, and named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pycrdt import Map, XmlElement, XmlFragment, XmlText

from syncroom.document.mesh_schema import ID
from syncroom.document.mesh_text import read_delta
from syncroom.document.plain import KINDS, plain
from syncroom.document.xml import attributes_of
from syncroom.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncroom.document.mesh_schema import ElementType, MeshSchema
    from syncroom.document.opened import Opened

ROOT = "xml"
"""The root type that stands for the root element."""

ATTRIBUTES = "xml.attributes"
"""The map with the attributes of the root element."""

TEXT = "text"
"""The element whose first child is a text."""

DELTA = "delta"
"""The key of a text's content, in JSON."""

ELEMENTS_DEPTH_MAX = 64
"""Elements in one another."""

MESH_DEPTH_MAX = 3 * ELEMENTS_DEPTH_MAX + 8
"""Levels of their JSON, with room for a text, or for the patch around them. JSON readers end at
about 1000."""

_NAMED_MAX = 100
"""Things left out that are named."""


class Child(NamedTuple):
    """An element that fits where it lies."""

    place: int
    """Its place among all children."""
    node: XmlElement
    json: dict[str, Any]


class MeshReader:
    """Reads documents that follow one schema.

    Args:
        schema: the schema.
        with_ids: whether to read also by what the SDKs find elements.
    """

    def __init__(self, schema: MeshSchema, *, with_ids: bool = False) -> None:
        self.schema = schema
        self._own = (ID,) if with_ids else ()
        self.left_out: list[str] = []
        """What was passed over so far because it does not fit: where it is, and what."""

    def document(self, opened: Opened) -> dict[str, Any]:
        """The whole document; raises `LimitExceeded` where it is nested too deep."""
        kind = self.schema.root
        body = {}
        for name, holder in root_attributes(opened).items():
            if name in kind.values:
                body[name] = plain(holder[name])
            else:
                self._leave_out(kind.tag, f"the attribute {name!r}")
        root = root_element(opened)
        if root is None:
            found = KINDS[opened.kinds[ROOT]]
            self._leave_out(kind.tag, f"the root {ROOT!r}, which is of the type {found}")
        if kind.child is not None:
            children = [] if root is None else self.children(root, kind, kind.tag, 1)
            body[kind.child.name] = [child.json for child in children]
        return {kind.tag: body}

    def children(
        self, node: XmlElement | XmlFragment, kind: ElementType, where: str, depth: int
    ) -> list[Child]:
        """The children of a node that fit.

        Args:
            node: the node.
            kind: what it is.
            where: the words for it.
            depth: how many elements lie in one another there, a child included.
        """
        found: list[Child] = []
        allowed = kind.child.tags if kind.child else ()
        name = kind.child.name if kind.child else ""
        children = list(node.children)
        if has_more(node, children):
            self._leave_out(where, "what is no XML, and what stands behind it")
        for index, child in enumerate(children):
            if isinstance(child, XmlElement) and child.tag in allowed:
                if depth > ELEMENTS_DEPTH_MAX:
                    raise LimitExceeded(
                        f"more than {ELEMENTS_DEPTH_MAX} elements lie in one another"
                    )
                inner = self.schema.elements[child.tag]
                place = f"{where}.{name}[{len(found)}].{child.tag}"
                found.append(Child(index, child, self._element(child, inner, place, depth)))
            elif not (is_text(kind) and index == 0 and isinstance(child, XmlText)):
                self._leave_out(where, _describe(child))
        return found

    def _element(
        self, node: XmlElement, kind: ElementType, where: str, depth: int
    ) -> dict[str, Any]:
        attributes = attributes_of(node)
        for name in sorted(attributes.keys() - kind.values.keys() - {ID}):
            self._leave_out(where, f"the attribute {name!r}")
        names = (*self._own, *kind.values)
        body = {name: plain(attributes[name]) for name in names if name in attributes}
        children: list[Any] = [each.json for each in self.children(node, kind, where, depth + 1)]
        text = text_of(node, kind)
        delta = read_delta(text) if text is not None else []
        if kind.child is not None:
            content = {TEXT: {DELTA: delta}}
            body[kind.child.name] = [content, *children] if text is not None else children
        elif delta:
            body[DELTA] = delta
        return {kind.tag: body}

    def _leave_out(self, where: str, what: str) -> None:
        if len(self.left_out) < _NAMED_MAX:
            self.left_out.append(f"{where}: {what}")


def root_element(opened: Opened) -> XmlFragment | None:
    """The root type; None where it holds something else than elements."""
    if opened.kinds.get(ROOT, XmlFragment) not in (XmlFragment, Map):
        return None
    root: XmlFragment = opened.doc.get(ROOT, type=XmlFragment)
    return root


def root_attributes(opened: Opened) -> dict[str, Map[Any]]:
    """For each attribute of the root element, the map that it stands in."""
    holders: dict[str, Map[Any]] = {}
    for root, kinds in ((ATTRIBUTES, (Map,)), (ROOT, (Map, XmlFragment))):
        if opened.kinds.get(root) in kinds:
            holder: Map[Any] = opened.doc.get(root, type=Map)
            holders |= dict.fromkeys(holder.keys(), holder)
    return holders


def has_more(node: XmlElement | XmlFragment, children: list[Any]) -> bool:
    """Whether a node has more children than these: native code ends at the first one that is no
    XML."""
    return len(children) < len(node.children)


def is_text(kind: ElementType) -> bool:
    """Whether such an element holds a text."""
    return kind.tag == TEXT


def text_of(node: XmlElement, kind: ElementType) -> XmlText | None:
    """The text that an element holds, if it is such an element and has one."""
    if not is_text(kind):
        return None
    children: Iterator[Any] = iter(node.children)
    first = next(children, None)
    return first if isinstance(first, XmlText) else None


def _describe(child: Any) -> str:
    return f"the element {child.tag!r}" if isinstance(child, XmlElement) else "a text"
