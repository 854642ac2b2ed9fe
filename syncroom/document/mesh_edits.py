"""
Edits that make a document that follows a schema equal to JSON, and touch nothing else.

What does not change keeps its id and is not checked again, so one value that somebody else wrote
and that does not fit is in nobody's way. A new element gets an id, as clients find it by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pycrdt import Map, XmlElement, XmlText

from syncroom.document.edits import blocks
from syncroom.document.mesh import (
    ATTRIBUTES,
    DELTA,
    ELEMENTS_DEPTH_MAX,
    TEXT,
    MeshReader,
    has_more,
    is_text,
    root_attributes,
    root_element,
    text_of,
)
from syncroom.document.mesh_schema import ID
from syncroom.document.mesh_text import check_delta, read_delta, set_delta
from syncroom.document.plain import key, normal, plain
from syncroom.document.xml import attributes_of
from syncroom.errors import LimitExceeded, Malformed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pycrdt import XmlFragment

    from syncroom.document.mesh_schema import ElementType, MeshSchema, ValueProperty
    from syncroom.document.mesh_text import Delta
    from syncroom.document.opened import Opened

_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


class MeshEditor:
    """Edits documents that follow one schema.

    Args:
        schema: the schema.
        new_id: makes the id of a new element.
    """

    def __init__(self, schema: MeshSchema, new_id: Callable[[], str]) -> None:
        self._schema = schema
        self._new_id = new_id
        self._reader = MeshReader(schema)

    def set_document(self, opened: Opened, target: object) -> None:
        """Make the whole document equal to JSON.

        Raises `Malformed`, which names the element, and `LimitExceeded`.
        """
        kind = self._schema.root
        root = root_element(opened)
        if root is None:
            raise Malformed("what the document holds is not what its schema describes")
        tag, body = _split(target, "the content")
        if tag != kind.tag:
            raise Malformed(f"the content is a {tag!r}; the schema wants a {kind.tag!r}")
        _check_names(kind, body, kind.tag)
        holders = root_attributes(opened)
        for name, prop in kind.values.items():
            if name not in body:
                if name in holders:
                    del holders[name][name]
                continue
            holder = holders.get(name)
            value = normal(body[name])
            if holder is None or key(plain(holder[name])) != key(value):
                _check_value(prop, value, f"{kind.tag}.{name}")
                holder = holder if holder is not None else _attributes_map(opened)
                holder[name] = value
        self._set_children(root, kind, _listed(kind, body, kind.tag), kind.tag, 1)

    def _set_children(
        self,
        node: XmlElement | XmlFragment,
        kind: ElementType,
        targets: list[Any],
        where: str,
        depth: int,
    ) -> None:
        if has_more(node, list(node.children)):
            raise Malformed(f"{where} holds what is no XML, so it can't be changed")
        old = self._reader.children(node, kind, where, depth)
        before = [key(child.json) for child in old]
        after = [key(normal(target)) for target in targets]
        name = kind.child.name if kind.child else ""
        for first, end, start, stop in reversed(blocks(before, after)):
            kept = 0
            while kept < min(end - first, stop - start):
                tag, body = _split(targets[start + kept], f"{where}.{name}[{start + kept}]")
                if tag != old[first + kept].node.tag:
                    break
                place = f"{where}.{name}[{start + kept}].{tag}"
                inner = self._schema.elements[tag]
                self._set_element(old[first + kept].node, inner, body, place, depth + 1)
                kept += 1
            rest = old[first + kept : end]
            at = old[first + kept].place if first + kept < len(old) else len(node.children)
            for child in reversed(rest):
                del node.children[child.place]
            for index in range(stop - 1, start + kept - 1, -1):
                self._insert(node, kind, at, targets[index], f"{where}.{name}[{index}]", depth)

    def _set_element(
        self, node: XmlElement, kind: ElementType, body: dict[str, Any], where: str, depth: int
    ) -> None:
        _check_names(kind, body, where)
        attributes = attributes_of(node)
        for name, prop in kind.values.items():
            if name not in body:
                if name in attributes:
                    del node.attributes[name]
                continue
            value = normal(body[name])
            if name not in attributes or key(plain(attributes[name])) != key(value):
                _check_value(prop, value, f"{where}.{name}")
                node.attributes[name] = value
        given, children = _content(kind, body, where)
        if is_text(kind):
            text = text_of(node, kind)
            if text is None:
                text = XmlText()
                node.children.insert(0, text)
            if key(read_delta(text)) != key(given):
                set_delta(text, check_delta(given, where))
        self._set_children(node, kind, children, where, depth)

    def _insert(
        self,
        node: XmlElement | XmlFragment,
        kind: ElementType,
        at: int,
        target: Any,
        where: str,
        depth: int,
    ) -> None:
        texts: list[tuple[XmlText, Delta]] = []
        node.children.insert(at, self._build(kind, target, where, depth, texts))
        for text, delta in texts:
            set_delta(text, delta)

    def _build(
        self,
        parent: ElementType,
        target: Any,
        where: str,
        depth: int,
        texts: list[tuple[XmlText, Delta]],
    ) -> XmlElement:
        """A new element, and the texts in it with what they are to hold."""
        if depth > ELEMENTS_DEPTH_MAX:
            raise LimitExceeded(f"more than {ELEMENTS_DEPTH_MAX} elements lie in one another")
        tag, body = _split(target, where)
        allowed = parent.child.tags if parent.child else ()
        if tag not in allowed:
            listed = ", ".join(map(repr, allowed)) or "nothing"
            raise Malformed(f"{where}: {tag!r} can't lie there; the schema allows {listed}")
        kind, where = self._schema.elements[tag], f"{where}.{tag}"
        _check_names(kind, body, where)
        attributes: dict[str, Any] = {ID: self._new_id()}
        for name, prop in kind.values.items():
            if name in body:
                attributes[name] = normal(body[name])
                _check_value(prop, attributes[name], f"{where}.{name}")
        given, children = _content(kind, body, where)
        contents: list[XmlFragment | XmlElement | XmlText] = []
        if is_text(kind):
            text = XmlText()
            contents.append(text)
            texts.append((text, check_delta(given, where)))
        name = kind.child.name if kind.child else ""
        for index, child in enumerate(children):
            place = f"{where}.{name}[{index}]"
            contents.append(self._build(kind, child, place, depth + 1, texts))
        return XmlElement(tag, attributes, contents)


def _attributes_map(opened: Opened) -> Map[Any]:
    if opened.kinds.get(ATTRIBUTES, Map) is not Map:
        raise Malformed(f"the root {ATTRIBUTES!r} is no map, so attributes can't be set in it")
    holder: Map[Any] = opened.root(ATTRIBUTES, Map)
    return holder


def _split(target: Any, where: str) -> tuple[str, dict[str, Any]]:
    """Tag and body of an element."""
    if isinstance(target, dict) and len(target) == 1:
        ((tag, body),) = target.items()
        if isinstance(body, dict):
            return tag, body
    raise Malformed(f"{where}: an element is an object with one key, its tag, that holds an object")


def _check_names(kind: ElementType, body: dict[str, Any], where: str) -> None:
    for name in body:
        is_child = kind.child is not None and name == kind.child.name
        is_delta = is_text(kind) and kind.child is None and name == DELTA
        if name not in kind.values and not is_child and not is_delta and name != ID:
            raise Malformed(f"{where}: unknown property {name!r}; the schema allows {kind.names}")


def _check_value(prop: ValueProperty, value: Any, where: str) -> None:
    type_name = _TYPES.get(type(value), "no single value")
    if type_name not in prop.types:
        allowed = " or ".join(prop.types)
        raise Malformed(f"{where}: the value is {type_name}; the schema allows {allowed}")
    if prop.enum is not None and key(value) not in map(key, map(normal, prop.enum)):
        listed = ", ".join(map(repr, prop.enum))
        raise Malformed(f"{where}: the value is none of those that the schema allows: {listed}")


def _listed(kind: ElementType, body: dict[str, Any], where: str) -> list[Any]:
    """The children in a body."""
    children = body.get(kind.child.name, []) if kind.child is not None else []
    if not isinstance(children, list):
        assert kind.child is not None
        raise Malformed(f"{where}.{kind.child.name}: children are an array")
    return children


def _content(kind: ElementType, body: dict[str, Any], where: str) -> tuple[Any, list[Any]]:
    """The delta and the elements that an element is to hold."""
    children = _listed(kind, body, where)
    if not is_text(kind):
        return [], children
    if kind.child is None:
        return body.get(DELTA, []), []
    if children and isinstance(children[0], dict) and set(children[0]) == {TEXT}:
        content = children[0][TEXT]
        if isinstance(content, dict) and set(content) == {DELTA}:
            return content[DELTA], children[1:]
    return [], children
