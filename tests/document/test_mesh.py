"""Documents that follow a schema: JSON in, the same JSON out, and whatever else clients wrote."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import pycrdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.document.log import EMPTY_UPDATE
from syncroom.document.mesh import ELEMENTS_DEPTH_MAX, MeshReader
from syncroom.document.mesh_edits import MeshEditor
from syncroom.document.mesh_schema import read_schema
from syncroom.document.opened import Opened
from syncroom.errors import LimitExceeded, Malformed
from syncroom.protocol.update import read_update
from tests.document.schemas import (
    STRING,
    TODO,
    children,
    contents,
    delta,
    element,
    item,
    schema,
    schemas,
    text,
    todo,
)
from tests.properties import examples

if TYPE_CHECKING:
    from collections.abc import Callable

DEPTH_MAX = 64
JSON = dict[str, Any]


def build(target: object, given: JSON = TODO, data: bytes = EMPTY_UPDATE, ids: str = "id") -> bytes:
    """The update that makes a document equal to JSON; ``ids`` is how new ids begin."""
    return merged(*steps(target, given, data, ids))


def steps(target: object, given: JSON, data: bytes, ids: str) -> list[bytes]:
    """The updates that make a document equal to JSON, one after the other."""
    opened = Opened(data, DEPTH_MAX)
    numbers = itertools.count(1)
    editor = MeshEditor(read_schema(given), lambda: f"{ids}-{next(numbers)}")
    return opened.edit_in_steps(lambda: editor.set_document(opened, target))


def read(data: bytes, given: JSON = TODO) -> JSON:
    return MeshReader(read_schema(given)).document(Opened(data, DEPTH_MAX))


def left_out(data: bytes, given: JSON = TODO) -> list[str]:
    reader = MeshReader(read_schema(given))
    reader.document(Opened(data, DEPTH_MAX))
    return reader.left_out


def merged(*updates: bytes) -> bytes:
    return pycrdt.merge_updates(*updates) if updates else b""


class Editor:
    """A client with the document of some updates, as its SDK or any Yjs program has it."""

    def __init__(self, *updates: bytes) -> None:
        self.doc: pycrdt.Doc[Any] = pycrdt.Doc()
        self.root: pycrdt.XmlFragment = self.doc.get("xml", type=pycrdt.XmlFragment)
        for update in updates:
            self.doc.apply_update(update)

    @property
    def data(self) -> bytes:
        return self.doc.get_update()

    def child(self, *path: int) -> Any:
        node: Any = self.root
        for index in path:
            node = node.children[index]
        return node

    def id_of(self, *path: int) -> object:
        return self.child(*path).attributes["$id"]


# -- JSON in, the same JSON out


@examples(60)
@given(st.data())
def test_any_content_of_any_schema_is_read_as_it_was_written(data: st.DataObject) -> None:
    given = data.draw(schemas())
    content = data.draw(contents(given))

    update = build(content, given)

    read_update(update or EMPTY_UPDATE, DEPTH_MAX)
    assert read(update or EMPTY_UPDATE, given) == content
    assert left_out(update or EMPTY_UPDATE, given) == []


@examples(60)
@given(st.data())
def test_any_content_becomes_any_other(data: st.DataObject) -> None:
    given = data.draw(schemas())
    before, after = data.draw(contents(given)), data.draw(contents(given))
    written = build(before, given) or EMPTY_UPDATE

    change = build(after, given, written) or EMPTY_UPDATE

    assert read(merged(written, change), given) == after
    assert build(after, given, merged(written, change)) == b""


def test_an_empty_document_is_its_root() -> None:
    assert read(EMPTY_UPDATE) == {"todo": {"items": []}}
    assert build({"todo": {}}) == b""


def test_numbers_read_as_json_has_them() -> None:
    content = todo(item(count=1), item(count=1.5), item(count=-(2**53) + 1), item(count=0.1))

    assert read(build(content)) == content
    assert type(read(build(content))["todo"]["items"][0]["item"]["count"]) is int
    assert read(build(todo(item(count=2.0)))) == todo(item(count=2))


# -- as the SDKs have it


def test_an_update_of_the_python_sdk_is_read() -> None:
    """Of one that was recorded: the element ``item``, then its id."""
    identifier = "9b107cad-8e68-4f3c-8d2f-7f0e9d9b1d10"
    update = bytes.fromhex(
        "0102c6c5babf0500070103786d6c03046974656d2800c6c5babf05000324696401"
        + f"77{len(identifier):02x}"
        + identifier.encode().hex()
        + "00"
    )

    assert read(update) == todo(item())


def test_elements_lie_in_the_root_xml_with_ids_and_values() -> None:
    content = todo(item(text(("note", {})), title="Write", count=2, done=False, state="open"))

    ann = Editor(build(content))

    found = ann.child(0)
    assert found.tag == "item"
    assert dict(iter(found.attributes)) == {
        "$id": "id-1",
        "title": "Write",
        "count": 2.0,
        "done": False,
        "state": "open",
    }
    assert ann.child(0, 0).tag == "text"
    assert ann.id_of(0, 0) == "id-2"
    assert isinstance(ann.child(0, 0, 0), pycrdt.XmlText)
    assert ann.child(0, 0, 0).diff() == [("note", None)]


def test_a_text_without_content_holds_an_empty_text() -> None:
    ann = Editor(build(todo(text())))

    assert isinstance(ann.child(0, 0), pycrdt.XmlText)
    assert len(ann.child(0).children) == 1


def test_attributes_of_the_root_are_kept_where_sdks_do_not_look() -> None:
    update = build(todo(name="List"))

    assert read(update) == todo(name="List")
    assert Opened(update, DEPTH_MAX).kinds == {"xml.attributes": pycrdt.Map}


def test_attributes_that_a_client_gave_the_root_itself_are_read_and_changed_there() -> None:
    update = bytes.fromhex("010181adcd2a00280103786d6c046e616d65017702543100")
    assert read(update) == todo(name="T1")

    change = build(todo(item(), name="T2"), data=update)

    ann = Editor(update, change)
    own: pycrdt.Map[Any] = ann.doc.get("xml", type=pycrdt.Map)
    assert own["name"] == "T2"
    assert read(ann.data) == todo(item(), name="T2")
    assert read(merged(ann.data, build(todo(), data=ann.data))) == todo()


TEXT_WITH_PLACE = schema(
    "page",
    element("page", parts=children("text")),
    element("text", kind=STRING, content=children("page")),
)


def test_a_text_lies_in_its_property_for_children_where_it_has_one() -> None:
    pieces = delta(("Hello ", {}), ("you", {"bold": True}))
    content = {"page": {"parts": [{"text": {"content": [{"text": {"delta": pieces}}]}}]}}

    update = build(content, TEXT_WITH_PLACE)

    assert read(update, TEXT_WITH_PLACE) == content
    assert Editor(update).child(0, 0).diff() == [("Hello ", None), ("you", {"bold": True})]


def test_a_text_that_has_children_too_keeps_both() -> None:
    page: JSON = {"page": {"parts": []}}
    content = {
        "page": {
            "parts": [
                {"text": {"content": [{"text": {"delta": delta(("a", {}))}}, page, page]}},
                {"text": {"content": [page]}},
            ]
        }
    }

    update = build(content, TEXT_WITH_PLACE)

    second = content["page"]["parts"][1]["text"]["content"]
    second.insert(0, {"text": {"delta": []}})
    assert read(update, TEXT_WITH_PLACE) == content


# -- edits touch nothing else


def test_what_stays_keeps_its_id() -> None:
    before = build(todo(item(title="a"), item(title="b"), item(title="c")))
    ids = [Editor(before).id_of(place) for place in range(3)]

    change = build(todo(item(title="new"), item(title="a"), item(title="C")), data=before)

    ann = Editor(before, change)
    assert [ann.id_of(place) for place in (1, 2)] == [ids[0], ids[1]]
    assert read(ann.data) == todo(item(title="new"), item(title="a"), item(title="C"))


def test_a_changed_attribute_is_all_that_is_written() -> None:
    before = build(todo(item(title="a", count=1), item(title="b", count=2)))

    change = build(todo(item(title="a", count=1), item(title="b", count=3)), data=before)

    assert [section.end - section.first for section in read_update(change, DEPTH_MAX).sections] == [
        1
    ]


def test_what_two_do_at_the_same_time_merges() -> None:
    start = build(todo(item(text(("Hello", {})), title="a"), item(title="b")))
    mine = build(todo(item(text(("Hello you", {})), title="a"), item(title="b")), data=start)
    ben = Editor(start)
    ben.child(0, 0, 0).insert(0, "Oh, ")
    ben.child(1).attributes["title"] = "B"

    both = merged(start, mine, ben.data)

    assert read(both) == todo(item(text(("Oh, Hello you", {})), title="a"), item(title="B"))


def test_formats_change_without_the_text() -> None:
    start = build(todo(text(("one two \N{GRINNING FACE} three", {"bold": True}))))
    target = todo(
        text(("one ", {}), ("two \N{GRINNING FACE}", {"bold": True, "n": 1}), (" three", {}))
    )

    change = build(target, data=start)

    assert read(merged(start, change)) == target
    assert b"two" not in change


def test_what_does_not_fit_is_in_nobodys_way() -> None:
    ann = Editor(build(todo(item(title="a"), item(title="b"))))
    ann.child(0).attributes["count"] = "many"
    ann.child(0).attributes["colour"] = "red"
    ann.root.children.insert(1, pycrdt.XmlElement("blink"))
    target = read(ann.data)
    target["todo"]["items"][1]["item"]["title"] = "B"
    target["todo"]["items"].append(item(title="c"))

    ann.doc.apply_update(build(target, data=ann.data))

    assert read(ann.data) == target
    tags = [node.tag for node in ann.root.children if isinstance(node, pycrdt.XmlElement)]
    assert tags == ["item", "blink", "item", "item"]
    assert ann.child(0).attributes["colour"] == "red"


def test_an_id_in_json_is_passed_over() -> None:
    before = build({"todo": {"items": [{"item": {"$id": "mine", "title": "a"}}]}})

    assert Editor(before).id_of(0) == "id-1"
    with_id = {"todo": {"items": [{"item": {"$id": "mine", "title": "b", "notes": []}}]}}
    assert read(merged(before, build(with_id, data=before))) == todo(item(title="b"))


def test_a_text_that_lost_its_text_gets_one_again() -> None:
    ann = Editor(build(todo(text(("gone", {})))))
    del ann.child(0).children[0]
    assert read(ann.data) == todo(text())

    ann.doc.apply_update(build(todo(text(("new", {}))), data=ann.data))

    assert read(ann.data) == todo(text(("new", {})))


# -- what does not fit is refused by name


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([], "the content: an element is an object with one key"),
        ({}, "the content: an element"),
        ({"todo": {}, "item": {}}, "one key"),
        ({"todo": []}, "one key"),
        ({"list": {}}, "the content is a 'list'; the schema wants a 'todo'"),
        (todo(colour="red"), "todo: unknown property 'colour'; the schema allows 'name', 'items'"),
        (todo(name=1), r"todo\.name: the value is number; the schema allows string or null"),
        ({"todo": {"items": {}}}, r"todo\.items: children are an array"),
        (todo(item(), item(colour="red")), r"todo\.items\[1\]\.item: unknown property 'colour'"),
        (
            todo(item(item(), item(count="1"))),
            r"items\[0\]\.item\.notes\[1\]\.item\.count: .*string",
        ),
        (todo(item(done=1)), r"done: the value is number; the schema allows boolean or null"),
        (todo(item(title={"a": 1})), "the value is no single value"),
        (todo(item(state="gone")), r"state: the value is none of .*: 'open', 'done'"),
        (todo(item(state=None)), r"state: the value is null; the schema allows string"),
        (
            todo(todo()),
            r"todo\.items\[0\]: 'todo' can't lie there; the schema allows 'item', 'text'",
        ),
        (todo({"text": {"notes": []}}), "unknown property 'notes'; the schema allows 'kind'"),
        (todo({"text": {"delta": {}}}), r"items\[0\]\.text: a delta is an array"),
        (todo({"text": {"delta": [{"insert": 1}]}}), "piece 0 is no text"),
        (todo({"text": {"delta": ["a"]}}), "piece 0"),
        (todo({"text": {"delta": [{"insert": "a", "attributes": 1}]}}), "piece 0"),
        (todo(item({"x": {}})), r"notes\[0\]: 'x' can't lie there"),
        (todo({"item": 1}), "an element is an object"),
    ],
)
@pytest.mark.parametrize("before", [todo(), todo(item(item(), item()), text(("a", {})), name="b")])
def test_content_that_does_not_fit_is_refused_by_name(
    target: object, message: str, before: JSON
) -> None:
    with pytest.raises(Malformed, match=message):
        build(target, data=build(before) or EMPTY_UPDATE)


def test_an_element_of_which_nothing_is_allowed_says_so() -> None:
    given = schema("a", element("a"))

    with pytest.raises(Malformed, match="unknown property 'x'; the schema allows no properties"):
        build({"a": {"x": 1}}, given)


def _nested(depth: int) -> JSON:
    inner = item()
    for _ in range(depth - 1):
        inner = item(inner)
    return todo(inner)


def test_elements_lie_in_one_another_as_deep_as_is_allowed() -> None:
    deepest = _nested(ELEMENTS_DEPTH_MAX)

    assert read(build(deepest)) == deepest
    with pytest.raises(LimitExceeded, match=f"more than {ELEMENTS_DEPTH_MAX} elements"):
        build(_nested(ELEMENTS_DEPTH_MAX + 1))
    with pytest.raises(LimitExceeded, match=f"more than {ELEMENTS_DEPTH_MAX} elements"):
        build(_nested(ELEMENTS_DEPTH_MAX + 1), data=build(deepest))


# -- whatever any Yjs program wrote


def _strange(root: pycrdt.XmlFragment) -> None:
    root.children.append(pycrdt.XmlText("loose"))
    root.children.append(pycrdt.XmlElement("blink"))
    known = pycrdt.XmlElement("item", {"title": "a", "colour": "red"})
    root.children.append(known)
    known.attributes["count"] = b"\0"
    known.children.append(pycrdt.XmlText("loose"))
    known.children.append(pycrdt.XmlElement("text"))
    known.children[1].children.append(pycrdt.XmlElement("item"))  # type: ignore[union-attr]


def test_what_the_schema_does_not_know_is_left_out_and_named() -> None:
    ann = Editor()
    _strange(ann.root)

    assert read(ann.data) == todo(item(text(), title="a", count={"$bytes": "AA=="}))
    assert left_out(ann.data) == [
        "todo: a text",
        "todo: the element 'blink'",
        "todo.items[0].item: the attribute 'colour'",
        "todo.items[0].item: a text",
        "todo.items[0].item.notes[0].text: the element 'item'",
    ]


def test_no_more_is_named_than_helps() -> None:
    ann = Editor()
    with ann.doc.transaction():
        for _ in range(500):
            ann.root.children.append(pycrdt.XmlElement("blink"))

    assert len(left_out(ann.data)) == 100


def test_things_in_a_text_that_are_no_text_are_pieces_and_can_stay() -> None:
    ann = Editor(build(todo(text(("ab", {})))))
    ann.child(0, 0).insert_embed(1, {"image": "x"})
    content = todo(text(("a", {}), ({"image": "x"}, {}), ("b", {})))  # type: ignore[arg-type]
    assert read(ann.data) == content

    ann.doc.apply_update(build(todo(item(), *content["todo"]["items"]), data=ann.data))

    assert read(ann.data) == todo(item(), *content["todo"]["items"])
    other = copy.deepcopy(content)
    other["todo"]["items"][0]["text"]["delta"][1]["insert"] = {"image": "y"}
    with pytest.raises(Malformed, match="piece 1 is no text"):
        build(todo(item(), *other["todo"]["items"]), data=ann.data)


def _text(doc: pycrdt.Doc[Any]) -> None:
    doc.get("xml", type=pycrdt.Text).insert(0, "text")


def _list(doc: pycrdt.Doc[Any]) -> None:
    doc.get("xml", type=pycrdt.Array).append(1)


def _text_of_attributes(doc: pycrdt.Doc[Any]) -> None:
    doc.get("xml.attributes", type=pycrdt.Text).insert(0, "text")


def _mixture(doc: pycrdt.Doc[Any]) -> None:
    doc.get("xml", type=pycrdt.Array).append(pycrdt.Map({"a": 1}))
    doc.get("xml", type=pycrdt.XmlFragment).children.append(pycrdt.XmlElement("item"))


@pytest.mark.parametrize(
    ("write", "named"),
    [
        (_text, ["todo: the root 'xml', which is of the type text"]),
        (_list, ["todo: the root 'xml', which is of the type array"]),
        (_mixture, ["todo: what is no XML, and what stands behind it"]),
        (_text_of_attributes, []),
    ],
)
def test_a_root_that_holds_something_else_reads_as_empty_and_is_not_written(
    write: Callable[[pycrdt.Doc[Any]], None], named: list[str]
) -> None:
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    write(doc)

    assert read(doc.get_update()) == todo()
    assert left_out(doc.get_update()) == named
    with pytest.raises(Malformed):
        build(todo(item(), name="a"), data=doc.get_update())


def test_an_attribute_of_the_root_that_the_schema_does_not_know_is_left_out() -> None:
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    own: pycrdt.Map[Any] = doc.get("xml.attributes", type=pycrdt.Map)
    own["colour"] = "red"

    assert read(doc.get_update()) == todo()
    assert left_out(doc.get_update()) == ["todo: the attribute 'colour'"]
