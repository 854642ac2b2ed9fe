"""What a document shows, read natively: the kinds of its roots, and one hash over all of it."""

from __future__ import annotations

from typing import Any

import pycrdt
import pytest

from syncroom.document.content import find_roots, fingerprint
from syncroom.document.structs import Structs
from syncroom.protocol.update import read_update
from tests.protocol import craft
from tests.support import wire


def roots(data: bytes) -> dict[str, object]:
    return dict(find_roots(Structs(read_update(data, 64))))


def everything() -> pycrdt.Doc[Any]:
    doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=1)
    text = doc.get("text", type=pycrdt.Text)
    text.insert(0, "some text")
    text.format(0, 4, {"bold": True})
    text.insert_embed(2, {"image": "x"})
    values = doc.get("map", type=pycrdt.Map)
    values["number"], values["nested"] = 1, pycrdt.Map({"inner": pycrdt.Array([1, None])})
    values["nan"], values["document"] = float("nan"), pycrdt.Doc(guid="inner")
    doc.get("array", type=pycrdt.Array).extend([True, {"b": 1, "a": [2]}, pycrdt.Text("in")])
    fragment = doc.get("xml", type=pycrdt.XmlFragment)
    fragment.children.append(pycrdt.XmlElement("p", {"id": "1"}, [pycrdt.XmlText("in")]))
    return doc


def test_roots_are_read_as_what_they_hold() -> None:
    assert roots(everything().get_update()) == {
        "text": pycrdt.Text,
        "map": pycrdt.Map,
        "array": pycrdt.Array,
        "xml": pycrdt.XmlFragment,
    }


@pytest.mark.parametrize("length", [1, 3])
def test_deleted_text_is_text_still(length: int) -> None:
    values = craft.in_root(8, b"\1\x7d\1")
    text = craft.update(
        craft.section(1, 0, craft.string("abc"), values), deletes={1: [(0, length)]}
    )

    assert roots(text) == {"text": pycrdt.Text}


def test_what_is_deleted_decides_nothing_else() -> None:
    first, rest = craft.in_root(8, b"\2\x7d\1\x7d\1", "list"), craft.in_root(7, b"\1", "other")
    data = craft.update(craft.section(1, 0, first, rest), deletes={1: [(0, 1), (2, 1)]})

    assert roots(data) == {"list": pycrdt.Array}


def test_equal_content_has_one_hash_however_it_came_about() -> None:
    data = everything().get_update()
    copy: pycrdt.Doc[Any] = pycrdt.Doc()
    copy.apply_update(data)
    kinds = find_roots(Structs(read_update(data, 64)))

    assert fingerprint(data, kinds) == fingerprint(copy.get_update(), kinds)


@pytest.mark.parametrize(
    ("root", "kind", "change"),
    [
        ("text", pycrdt.Text, lambda text, new: text.insert(1, new)),
        ("text", pycrdt.Text, lambda text, new: text.format(1, 2, {"link": new})),
        ("text", pycrdt.Text, lambda text, new: text.insert_embed(0, {"image": new})),
        ("text", pycrdt.Text, lambda text, new: text.insert("xy".index(new), "z")),
        ("map", pycrdt.Map, lambda values, new: values.update({"number": new})),
        ("map", pycrdt.Map, lambda values, new: values.update({new: 1})),
        ("map", pycrdt.Map, lambda values, new: values["nested"]["inner"].append(new)),
        ("map", pycrdt.Map, lambda values, new: values.update({"document": pycrdt.Doc(guid=new)})),
        ("array", pycrdt.Array, lambda values, new: values.insert(1, {"b": [new]})),
        ("array", pycrdt.Array, lambda values, new: values.pop("xy".index(new))),
        ("array", pycrdt.Array, lambda values, new: values[2].insert(0, new)),
        ("xml", pycrdt.XmlFragment, lambda xml, new: _set(xml.children[0], new)),
        ("xml", pycrdt.XmlFragment, lambda xml, new: xml.children[0].children[0].insert(0, new)),
        ("xml", pycrdt.XmlFragment, lambda xml, new: xml.children.append(pycrdt.XmlElement(new))),
    ],
)
def test_every_difference_in_content_is_one_in_the_hash(root: str, kind: Any, change: Any) -> None:
    updates = []
    for new in "xy":
        doc = everything()
        change(doc.get(root, type=kind), new)
        updates.append(doc.get_update())
    kinds = find_roots(Structs(read_update(updates[0], 64)))

    assert pycrdt.get_state(updates[0]) == pycrdt.get_state(updates[1])
    assert fingerprint(updates[0], kinds) != fingerprint(updates[1], kinds)


def _set(element: pycrdt.XmlElement, new: str) -> None:
    element.attributes["id"] = new


def test_documents_with_equal_content_and_other_histories_differ() -> None:
    one = craft.update(craft.section(1, 0, craft.string("a")))
    two = craft.update(craft.section(2, 0, craft.in_root(4, wire.string("a"))))
    kinds = find_roots(Structs(read_update(one, 64)))

    assert fingerprint(one, kinds) != fingerprint(two, kinds)
