"""
Schemas of structured documents, as the MeshAgent SDKs write them: which elements there are, which
attributes each has, and which elements may lie in it.

A schema is read as tolerantly as those SDKs read it, and refused where they could not open a
document with it. What was given is kept, and is what clients get back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol.value import check_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.limits import Limits

ID = "$id"
"""The attribute by which clients find an element; no property can have its name."""

_REF = "#/$defs/"
_VALUE_TYPES = ("string", "number", "boolean", "null")


@dataclass(frozen=True, slots=True)
class ValueProperty:
    """An attribute of an element."""

    types: tuple[str, ...]
    """Of ``string``, ``number``, ``boolean`` and ``null``."""
    enum: tuple[Any, ...] | None = None
    """The values that it may have; None for all of its types."""


@dataclass(frozen=True, slots=True)
class ChildProperty:
    """Where the elements lie that an element holds."""

    name: str
    tags: tuple[str, ...]
    """The elements that may lie there, in any number and order."""


@dataclass(frozen=True, slots=True)
class ElementType:
    """One kind of element."""

    tag: str
    values: Mapping[str, ValueProperty]
    child: ChildProperty | None

    @property
    def names(self) -> str:
        """Its properties, for a message."""
        names = [*self.values, *([self.child.name] if self.child else [])]
        return ", ".join(map(repr, names)) or "no properties"


@dataclass(frozen=True, slots=True)
class MeshSchema:
    """A schema that was read."""

    root: ElementType
    elements: Mapping[str, ElementType]
    """All of them, by their tags."""
    given: dict[str, Any] = field(repr=False)
    """The JSON that it was read from."""

    @property
    def text(self) -> str:
        """What was given, as JSON text."""
        return json.dumps(self.given, ensure_ascii=False, separators=(",", ":"))


def take_schema(given: object, limits: Limits) -> MeshSchema:
    """Read the schema that somebody sent; raises `Malformed`, `LimitExceeded`."""
    try:
        text = json.dumps(given, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError):
        raise Malformed("the schema is no JSON") from None
    if size > limits.schema_bytes_max:
        raise LimitExceeded(f"the schema has {size} bytes, {limits.schema_bytes_max} are allowed")
    return read_schema(check_json(text, limits.value_depth_max))


def read_schema(given: object) -> MeshSchema:
    """Read a schema; raises `Malformed`, which names the element and the property."""
    where = "the schema"
    given = _object(given, where)
    defs = _object(given.get("$defs"), f"$defs of {where}")
    elements: dict[str, ElementType] = {}
    for name, definition in defs.items():
        element = _element(definition, f"$defs.{name} of {where}")
        if element.tag in elements:
            raise Malformed(f"{where} defines the element {element.tag!r} twice")
        elements[element.tag] = element
    for element in elements.values():
        for tag in element.child.tags if element.child else ():
            if tag not in elements:
                raise Malformed(f"{where} lets {element.tag!r} hold {tag!r}, which it defines not")
    root = _reference(given.get("$root_tag_ref"), f"$root_tag_ref of {where}")
    if root not in elements:
        raise Malformed(f"{where} has the root {root!r}, which it defines not")
    return MeshSchema(elements[root], elements, given)


def _element(definition: object, where: str) -> ElementType:
    outer = _object(_object(definition, where).get("properties"), f"properties of {where}")
    for tag, body in outer.items():
        inner = _object(body, f"{tag!r} in {where}")
        properties = _object(inner.get("properties"), f"properties of {tag!r} in {where}")
        return _element_type(tag, properties)
    raise Malformed(f"properties of {where} name no element")


def _element_type(tag: str, properties: dict[str, Any]) -> ElementType:
    if not tag:
        raise Malformed("the schema defines an element without a name")
    values: dict[str, ValueProperty] = {}
    child: ChildProperty | None = None
    for name, given in properties.items():
        where = f"{tag}.{name} of the schema"
        definition = _object(given, where)
        if name == ID:
            raise Malformed(f"{where} has the name that elements are found by; choose another")
        if _types(definition)[:1] != ("array",):
            values[name] = _value_property(definition, where)
        elif child is None:
            child = ChildProperty(name, _child_tags(definition, where))
        else:
            raise Malformed(f"{where} is the second property for children; an element has one")
    return ElementType(tag, values, child)


def _value_property(definition: dict[str, Any], where: str) -> ValueProperty:
    types = _types(definition)
    if not types or not set(types) <= set(_VALUE_TYPES):
        known = ", ".join(_VALUE_TYPES)
        raise Malformed(f"{where} has the type {definition.get('type')!r}; known are {known}")
    enum = definition.get("enum")
    if enum is not None and not isinstance(enum, list):
        raise Malformed(f"the enum of {where} is no array")
    return ValueProperty(types, None if enum is None else tuple(enum))


def _types(definition: dict[str, Any]) -> tuple[str, ...]:
    given = definition.get("type")
    types = given if isinstance(given, list) else [given]
    return tuple(each for each in types if isinstance(each, str))


def _child_tags(definition: dict[str, Any], where: str) -> tuple[str, ...]:
    items = definition.get("items")
    listed = items.get("anyOf") if isinstance(items, dict) else definition.get("prefixItems")
    if not isinstance(listed, list):
        raise Malformed(f"{where} says in neither items.anyOf nor prefixItems what it holds")
    refs = [_object(each, f"an item of {where}").get("$ref") for each in listed]
    return tuple(_reference(each, f"an item of {where}") for each in refs)


def _reference(given: object, where: str) -> str:
    if not isinstance(given, str):
        raise Malformed(f"{where} is no reference like {_REF}name")
    return given.removeprefix(_REF)


def _object(given: object, where: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Malformed(f"{where} is missing, or no object")
    return given
