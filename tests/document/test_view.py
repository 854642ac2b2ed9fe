"""What a view host makes of documents: reading in every format, edits, search."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pycrdt
import pytest

from syncroom.document import edits, plain, render
from syncroom.document.host import HostDied, ViewHosts
from syncroom.document.json_patch import apply_patch
from syncroom.document.opened import Opened
from syncroom.document.search import search
from syncroom.document.xml import source
from syncroom.errors import Malformed, NotFound
from syncroom.limits import Limits
from syncroom.protocol.update import read_update
from tests.protocol import craft
from tests.support import wire
from tests.support.editor import Notebook
from tests.support.poison import poison

if TYPE_CHECKING:
    from collections.abc import Callable

DEPTH = 64


def opened(document: pycrdt.Doc[Any]) -> Opened:
    return Opened(document.get_update(), DEPTH)


def content(document: pycrdt.Doc[Any]) -> dict[str, Any]:
    return plain.content(opened(document))


def edited(document: pycrdt.Doc[Any], change: Callable[[Opened], None]) -> bytes:
    """Make a change as a host does, and let the document have it; what was sent."""
    view = opened(document)
    data = view.edit(lambda: change(view))
    if data:
        read_update(data, DEPTH)
        document.apply_update(data)
    return data


def set_json(document: pycrdt.Doc[Any], target: Any) -> bytes:
    return edited(document, lambda view: edits.set_content(view, target))


def set_text(document: pycrdt.Doc[Any], target: str, root: str | None = None) -> bytes:
    return edited(document, lambda view: edits.set_root_text(view, root, target))


def page() -> pycrdt.Doc[Any]:
    """A document as a rich text editor writes it."""
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    root = document.get("prose", type=pycrdt.XmlFragment)

    def block(parent: Any, tag: str, text: str = "", **attributes: str) -> Any:
        element = parent.children.append(pycrdt.XmlElement(tag))
        for name, value in attributes.items():
            element.attributes[name] = value
        if text:
            element.children.append(pycrdt.XmlText(text))
        return element

    block(root, "heading", "Title", level="2")
    paragraph = block(root, "paragraph", "plain bold <b>&")
    text = paragraph.children[0]
    text.format(6, 10, {"bold": True})
    items = block(root, "bulletList")
    block(block(items, "listItem"), "paragraph", "one")
    block(block(items, "listItem"), "paragraph", "two")
    block(root, "codeBlock", "x = 1", language="python")
    block(root, "horizontalRule")
    block(block(root, "blockquote"), "paragraph", "said")
    return document


# -- JSON and types


def test_every_root_is_read_as_what_it_is() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    document["text"] = pycrdt.Text("héllo 😀")
    document["map"] = pycrdt.Map({"a": 1, "inner": pycrdt.Map({"b": [None, True]})})
    document["list"] = pycrdt.Array([1, 1.5, "two", pycrdt.Text("three")])
    document.get("xml", type=pycrdt.XmlFragment).children.append(pycrdt.XmlElement("p"))
    document.get("empty", type=pycrdt.Text)

    view = opened(document)

    assert plain.content(view) == {
        "text": "héllo 😀",
        "map": {"a": 1, "inner": {"b": [None, True]}},
        "list": [1, 1.5, "two", "three"],
        "xml": "<p/>",
    }
    kinds = {name: plain.KINDS[kind] for name, kind in view.kinds.items()}
    assert kinds == {"text": "text", "map": "map", "list": "array", "xml": "xml"}


def test_values_that_json_has_not_are_told() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    document["map"] = pycrdt.Map(
        {"bytes": b"\x00\xff", "nan": float("nan"), "big": 2**60, "whole": 3.0}
    )
    text = document.get("text", type=pycrdt.Text)
    text += "ab"
    text.insert_embed(1, {"image": "x.png"})

    read = content(document)

    assert read["map"] == {"bytes": {"$bytes": "AP8="}, "nan": None, "big": 2.0**60, "whole": 3}
    assert read["text"] == "a\ufffcb"
    json.dumps(read, allow_nan=False)


def test_half_a_character_is_read_as_yjs_reads_it() -> None:
    text = craft.section(1, 0, craft.string("a😀bcd"))
    data = craft.update(text, deletes={1: [(1, 1)]})

    assert plain.content(Opened(data, DEPTH)) == {"text": "a\ufffdbcd"}


def test_a_document_with_half_a_character_is_edited_in_the_right_place() -> None:
    text = craft.section(1, 0, craft.string("a😀bcd"))
    view = Opened(craft.update(text, deletes={1: [(1, 1)]}), DEPTH)

    data = view.edit(lambda: edits.set_root_text(view, "text", "a\ufffdbXd"))

    whole = pycrdt.merge_updates(craft.update(text, deletes={1: [(1, 1)]}), data)
    assert plain.content(Opened(whole, DEPTH)) == {"text": "a\ufffdbXd"}


def test_an_update_with_a_gap_is_no_document() -> None:
    with pytest.raises(Malformed):
        Opened(craft.update(craft.section(1, 5, craft.string("later"))), DEPTH)


# -- text, Markdown, XML


def test_xml_is_well_formed_whatever_it_is_made_of() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    root = document.get("xml", type=pycrdt.XmlFragment)
    element = root.children.append(pycrdt.XmlElement("1 <b"))
    element.attributes['a"b'] = 'x"<&\x01'
    element.children.append(pycrdt.XmlText("<&>\x02"))

    assert source(root) == "<_1__b a_b='x\"&lt;&amp;\ufffd'>&lt;&amp;&gt;\ufffd</_1__b>"


def test_rich_text_is_read_as_markdown() -> None:
    assert render.markdown(opened(page()), None).split("\n\n") == [
        "## Title",
        "plain **bold** <b>&",
        "- one\n- two",
        "```python\nx = 1\n```",
        "---",
        "> said\n",
    ]


def test_rich_text_is_read_as_plain_text() -> None:
    assert render.text(opened(page()), "prose").splitlines()[:3] == [
        "Title",
        "plain bold <b>&",
        "one",
    ]


def test_rich_text_is_read_as_xml() -> None:
    read = render.xml(opened(page()), None)

    assert read.startswith('<heading level="2">Title</heading><paragraph>plain <bold>bold</bold>')


def test_formats_of_a_text_become_marks() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    document["content"] = text = pycrdt.Text("see this now")
    text.format(4, 8, {"link": "https://example.org", "italic": True})

    assert render.markdown(opened(document), None) == "see [*this*](https://example.org) now"
    assert render.text(opened(document), None) == "see this now"


def test_a_root_is_named_where_several_could_be_meant() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    document["one"] = pycrdt.Text("1")
    document["two"] = pycrdt.Text("2")
    document["map"] = pycrdt.Map({"a": 1})

    with pytest.raises(Malformed, match="'one', 'two'"):
        render.text(opened(document), None)
    with pytest.raises(Malformed, match="neither text nor XML"):
        render.text(opened(document), "map")
    with pytest.raises(NotFound):
        render.text(opened(document), "three")
    assert render.text(opened(document), "two") == "2"


# -- edits


def test_a_new_text_is_made_in_content() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()

    set_text(document, "hello")

    assert content(document) == {"content": "hello"}


def test_a_text_that_is_the_same_is_not_changed() -> None:
    notebook = Notebook()
    notebook.insert(0, "same 😀")

    assert set_text(notebook.doc, "same 😀") == b""


def test_a_text_changes_only_where_it_differs_and_a_cursor_stays() -> None:
    notebook = Notebook()
    notebook.insert(0, "first line\nsecond line\n")
    cursor = notebook.text_type().sticky_index(len("first line\nsec"))

    set_text(notebook.doc, "the first line, longer\nsecond line\n")

    assert notebook.text()[cursor.get_index() :] == "ond line\n"


def test_an_edit_and_what_others_do_meanwhile_merge() -> None:
    notebook = Notebook()
    notebook.insert(0, "one two three")
    view = opened(notebook.doc)
    data = view.edit(lambda: edits.set_root_text(view, None, "one 2 three"))
    notebook.insert(13, " four")

    notebook.doc.apply_update(data)

    assert notebook.text() == "one 2 three four"


def test_what_is_no_text_in_a_text_stays() -> None:
    notebook = Notebook()
    notebook.insert(0, "ab")
    notebook.text_type().insert_embed(1, {"image": "x.png"})

    set_text(notebook.doc, "á\ufffcb!")

    assert [part for part, _ in notebook.text_type().diff()] == ["á", {"image": "x.png"}, "b!"]


def test_formatted_text_is_not_made_plain() -> None:
    notebook = Notebook()
    notebook.insert(0, "bold")
    notebook.format(0, 4, {"bold": True})

    with pytest.raises(Malformed, match="formats"):
        set_text(notebook.doc, "plain")


def test_json_makes_content_equal() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    document["map"] = pycrdt.Map({"keep": 1, "drop": 2, "inner": pycrdt.Map({"a": 1})})
    document["list"] = pycrdt.Array([1, 2, pycrdt.Map({"x": 1}), 4])
    document["old"] = pycrdt.Text("old")
    target = {
        "map": {"keep": 1, "inner": {"a": 2, "b": [1, {"c": None}]}, "new": {"$bytes": "AP8="}},
        "list": [0, 1, {"x": 2}, 4, "five", 1.5, 2.0],
        "text": "new",
    }

    set_json(document, target)

    assert content(document) == target
    assert set_json(document, target) == b""


def test_a_value_that_stays_is_the_same_shared_type() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    document["list"] = pycrdt.Array([pycrdt.Map({"name": "ann"}), pycrdt.Map({"name": "ben"})])
    view = opened(document)
    data = view.edit(
        lambda: edits.set_content(view, {"list": [{"name": "zoe"}, {"name": "ann"}, {"name": "b"}]})
    )
    document.get("list", type=pycrdt.Array)[1]["age"] = 30

    document.apply_update(data)

    assert content(document)["list"] == [{"name": "zoe"}, {"name": "ann"}, {"age": 30, "name": "b"}]


def test_new_objects_are_shared_types_unless_their_neighbours_are_plain() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    document["plain"] = pycrdt.Map({"a": {"x": 1}})
    document["shared"] = pycrdt.Map({"a": pycrdt.Map({"x": 1})})

    set_json(document, {name: {"a": {"x": 1}, "b": {"y": 2}} for name in ("plain", "shared")})

    assert isinstance(document.get("plain", type=pycrdt.Map)["b"], dict)
    assert isinstance(document.get("shared", type=pycrdt.Map)["b"], pycrdt.Map)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ([], "object"),
        ({"text": {}}, "another type"),
        ({"number": 5}, "a text, an object or an array"),
        ({"prose": "<p/>"}, "XML"),
        ({"text": "t", "map": {"b": {"$bytes": "!"}}}, "base64"),
    ],
)
def test_json_that_can_not_be_made_is_refused(target: Any, reason: str) -> None:
    document = page()
    document["text"] = pycrdt.Text("t")

    with pytest.raises(Malformed, match=reason):
        set_json(document, target if isinstance(target, list) else content(document) | target)


def test_a_patch_is_an_edit() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    document["list"] = pycrdt.Array([pycrdt.Map({"done": False}), 2])
    patch = [
        {"op": "replace", "path": "/list/0/done", "value": True},
        {"op": "add", "path": "/list/-", "value": 3},
    ]

    edited(
        document,
        lambda view: edits.set_content(view, apply_patch(plain.content(view), patch)),
    )

    assert content(document) == {"list": [{"done": True}, 2, 3]}


# -- search


def test_search_tells_where_something_stands() -> None:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    document["content"] = pycrdt.Text("first\nsecond (x)\n")
    document["map"] = pycrdt.Map({"a/b": pycrdt.Array(["no", "a (x) too"])})

    assert search(plain.content(opened(document)), "(x)", False) == [
        {"pointer": "/content", "line": 2, "text": "second (x)"},
        {"pointer": "/map/a~1b/1", "line": 1, "text": "a (x) too"},
    ]
    assert len(search(plain.content(opened(document)), r"^\w+$", True)) == 2


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed, match="pattern"):
        search(plain.content(opened(page())), "(", True)


# -- all of it, in a host


async def test_a_host_answers_every_request() -> None:
    hosts = ViewHosts(Limits())
    notebook = Notebook()
    notebook.insert(0, "hello\n")
    data = notebook.doc.get_update()

    assert (await hosts.call("types", data)).value == {"text": "text"}
    assert (await hosts.call("text", data, root=None)).value == "hello\n"
    assert (await hosts.call("markdown", data, root="text")).value == "hello\n"
    found = await hosts.call("search", data, query="ell", is_regex=False)
    assert found.value == [{"pointer": "/text", "line": 1, "text": "hello"}]
    xml = await hosts.call("xml", page().get_update(), root=None)
    assert xml.value.startswith("<heading")
    for op, text in (
        ("set_text", "hello you\n"),
        ("set_json", '{"text": "hello all\\n"}'),
        ("patch", '[{"op": "replace", "path": "/text", "value": "bye"}]'),
    ):
        answer = await hosts.call(op, notebook.doc.get_update(), content=text, root="text")
        notebook.doc.apply_update(answer.data)
    assert notebook.text() == "bye"
    assert set((await hosts.call("check", data)).value) == {"left_s", "peak_bytes"}
    await hosts.close()


async def test_text_in_a_root_that_is_a_list_elsewhere_is_a_text() -> None:
    hosts = ViewHosts(Limits())
    data = craft.update(
        craft.section(1, 0, craft.in_root(craft.STRING, wire.string("a😀"), "list"))
    )

    assert (await hosts.call("json", data)).value == {"list": "a😀"}
    await hosts.close()


async def test_poison_ends_a_host_and_nothing_else() -> None:
    hosts = ViewHosts(Limits(view_cpu_s=0.3))

    with pytest.raises(HostDied):
        await hosts.call("json", poison())

    assert (await hosts.call("types", poison())).value == {"list": "array"}
    await hosts.close()
