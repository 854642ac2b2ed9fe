"""JSON Patch: the operations of RFC 6902, and everything that is none of them."""

from __future__ import annotations

from typing import Any

import pytest

from syncroom.document.json_patch import apply_patch
from syncroom.errors import Malformed


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        # Appendix A of RFC 6902
        ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": 1}, {"foo": "bar", "baz": 1}),
        ({"a": [1, 2]}, {"op": "add", "path": "/a/1", "value": 9}, {"a": [1, 9, 2]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": [2]}, {"a": [1, [2]]}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/a"}, {"b": 2}),
        ({"a": [1, 2, 3]}, {"op": "remove", "path": "/a/1"}, {"a": [1, 3]}),
        ({"a": 1}, {"op": "replace", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": {"b": 1}, "c": {}}, {"op": "move", "from": "/a/b", "path": "/c/d"},
         {"a": {}, "c": {"d": 1}}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        ({"a": 1}, {"op": "move", "from": "/a", "path": "/a"}, {"a": 1}),
        ({"a": [1]}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": [1], "b": [1]}),
        ({"a": [1]}, {"op": "test", "path": "/a", "value": [1]}, {"a": [1]}),
        ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": 10}, {"/": 9, "~1": 10}),
        ({"": 1}, {"op": "replace", "path": "/", "value": 2}, {"": 2}),
        ({"a": 1}, {"op": "replace", "path": "", "value": {"b": 2}}, {"b": 2}),
        ({"a": 1}, {"op": "add", "path": "/b", "value": None, "else": 1}, {"a": 1, "b": None}),
    ],
)  # fmt: skip
def test_an_operation_does_what_the_standard_says(
    document: Any, patch: dict[str, Any], expected: Any
) -> None:
    assert apply_patch(document, [patch]) == expected


@pytest.mark.parametrize(
    "patch",
    [
        {"op": "add", "path": "/a"},
        {"op": "add", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/x/y", "value": 1},
        {"op": "add", "path": "/list/3", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/a/b", "value": 1},
        {"op": "add", "path": "/a~2", "value": 1},
        {"op": "remove", "path": "/x"},
        {"op": "remove", "path": "/list/2"},
        {"op": "remove", "path": "/list/-"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "move", "from": "/list", "path": "/list/0"},
        {"op": "move", "path": "/b"},
        {"op": "copy", "from": "/x", "path": "/b"},
        {"op": "test", "path": "/a", "value": "1"},
        {"op": "test", "path": "/a", "value": True},
        {"op": "test", "path": "/x", "value": None},
        {"op": "spam", "path": "/a", "value": 1},
        {"path": "/a", "value": 1},
        "add",
    ],
)
def test_what_is_no_operation_on_the_document_is_refused(patch: Any) -> None:
    with pytest.raises(Malformed, match="operation 1 of the patch"):
        apply_patch({"a": 1, "list": [1, 2]}, [{"op": "test", "path": "/a", "value": 1}, patch])


def test_a_patch_is_an_array() -> None:
    with pytest.raises(Malformed, match="array"):
        apply_patch({}, {"op": "add", "path": "/a", "value": 1})


def test_the_document_that_was_given_stays_as_it_was() -> None:
    document = {"a": [1]}

    apply_patch(document, [{"op": "add", "path": "/a/-", "value": 2}])

    assert document == {"a": [1]}
