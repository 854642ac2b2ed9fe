"""Schemas: what SDKs write is read and given back, and what they could not read is refused."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from syncroom.document.mesh_schema import read_schema, take_schema
from syncroom.errors import LimitExceeded, Malformed
from syncroom.limits import Limits
from tests.document.schemas import STRING, TODO, children, element, schema, schemas
from tests.properties import examples

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits()


def test_elements_attributes_and_children_are_read() -> None:
    read = take_schema(TODO, LIMITS)

    item = read.elements["item"]
    assert read.root.tag == "todo"
    assert list(read.elements) == ["todo", "item", "text"]
    assert item.values["title"].types == ("string", "null")
    assert item.values["state"].enum == ("open", "done")
    assert item.child is not None
    assert (item.child.name, item.child.tags) == ("notes", ("item", "text"))
    assert read.elements["text"].child is None


def test_ordered_children_are_children() -> None:
    ordered = schema("a", element("a", parts=children("a", "b", is_ordered=True)), element("b"))

    child = read_schema(ordered).root.child

    assert child is not None
    assert child.tags == ("a", "b")


@examples(60)
@given(schemas())
def test_what_was_given_is_given_back(given: dict[str, Any]) -> None:
    read = take_schema(given, LIMITS)

    assert read.given == given
    assert json.loads(read.text) == given
    assert read_schema(json.loads(read.text)) == read


def test_what_is_not_known_is_passed_over_and_kept() -> None:
    more = {**TODO, "title": "A list", "$id": "https://example.org/todo"}

    assert take_schema(more, LIMITS).given == more


def _edited(change: Callable[[Any], object]) -> Any:
    edited = copy.deepcopy(TODO)
    change(edited)
    return edited


def _properties(schema: Any, tag: str) -> Any:
    return schema["$defs"][tag]["properties"][tag]["properties"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "the schema is missing, or no object"),
        ([], "no object"),
        ({}, r"\$defs of the schema is missing"),
        (_edited(lambda it: it.pop("$root_tag_ref")), r"\$root_tag_ref of the schema"),
        (_edited(lambda it: it.update({"$root_tag_ref": "#/$defs/x"})), "the root 'x'"),
        (_edited(lambda it: it["$defs"].update(x=1)), r"\$defs.x of the schema"),
        (_edited(lambda it: it["$defs"].update(x={"properties": {}})), "name no element"),
        (_edited(lambda it: it["$defs"].update(x=element(""))), "without a name"),
        (_edited(lambda it: it["$defs"].update(x=element("item"))), "'item' twice"),
        (_edited(lambda it: it["$defs"].pop("text")), "lets 'todo' hold 'text'"),
        (_edited(lambda it: _properties(it, "item").update(more=children("item"))), "item.more .*"),
        (_edited(lambda it: _properties(it, "item").update(id=1)), "item.id of the schema"),
        (_edited(lambda it: _properties(it, "item").update({"$id": STRING})), "choose another"),
        (_edited(lambda it: _properties(it, "item").update(a={"type": "integer"})), "'integer'"),
        (_edited(lambda it: _properties(it, "item").update(a={"type": []})), "known are string"),
        (_edited(lambda it: _properties(it, "item").update(a={"type": {}})), "known are string"),
        (_edited(lambda it: _properties(it, "item").update(a={})), "the type None"),
        (
            _edited(lambda it: _properties(it, "item").update(a={"type": "string", "enum": 1})),
            "the enum of item.a",
        ),
        (_edited(lambda it: _properties(it, "text").update(a={"type": "array"})), "text.a .* says"),
        (
            _edited(lambda it: _properties(it, "text").update(a={"type": "array", "items": {}})),
            "neither items.anyOf nor prefixItems",
        ),
        (
            _edited(
                lambda it: _properties(it, "text").update(a={"type": "array", "prefixItems": [1]})
            ),
            "an item of text.a",
        ),
    ],
)
def test_a_schema_that_no_client_could_use_is_refused_by_name(given: object, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        take_schema(given, LIMITS)


@pytest.mark.parametrize("given", [{1, 2}, {"a": float("nan")}, {"a": "\ud800"}, {(1, 2): 3}])
def test_what_is_no_json_is_no_schema(given: object) -> None:
    with pytest.raises(Malformed, match="JSON"):
        take_schema(given, LIMITS)


def test_a_schema_is_as_large_and_as_deep_as_is_allowed() -> None:
    size = len(json.dumps(TODO))
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}

    take_schema(TODO, Limits(schema_bytes_max=size))
    with pytest.raises(LimitExceeded, match=f"{size} bytes"):
        take_schema(TODO, Limits(schema_bytes_max=size - 1))
    with pytest.raises(Malformed, match="no JSON"):
        take_schema(deep, LIMITS)
    with pytest.raises(Malformed, match="nested deeper"):
        take_schema({**TODO, "more": json.loads("[" * 80 + "]" * 80)}, LIMITS)
