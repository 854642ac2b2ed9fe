"""
One root of a document as plain text, Markdown or XML source.

Markdown of a text is the text, with marks for its formats where it has any: in most editors the
text is Markdown already. Markdown of XML knows the elements of the common editors (ProseMirror,
Tiptap, BlockNote); what it does not know is shown as the paragraphs in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pycrdt import Text, XmlElement, XmlFragment, XmlText

from syncroom.document.edits import only_root
from syncroom.document.plain import OBJECT, characters
from syncroom.document.xml import attributes_of, source
from syncroom.errors import Malformed, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.document.opened import Opened

_MARKS = {"code": "`", "bold": "**", "strong": "**", "italic": "*", "em": "*"}
_MARKS |= {"strike": "~~", "strikethrough": "~~"}
_LISTS = {"bulletList", "bullet_list", "orderedList", "ordered_list", "taskList"}
_ORDERED = {"orderedList", "ordered_list"}


def text(opened: Opened, name: str | None) -> str:
    """A root as plain text: a line for each block of XML."""
    root = _root(opened, name)
    with opened.doc.transaction():
        return characters(root) if isinstance(root, Text) else "\n".join(_lines(root))


def markdown(opened: Opened, name: str | None) -> str:
    """A root as Markdown."""
    root = _root(opened, name)
    with opened.doc.transaction():
        if isinstance(root, Text):
            return _runs(root)
        blocks = _blocks(root)
        return "\n\n".join(blocks) + ("\n" if blocks else "")


def xml(opened: Opened, name: str | None) -> str:
    """A root as XML source."""
    root = _root(opened, name)
    if not isinstance(root, XmlFragment):
        raise Malformed("the root is no XML")
    with opened.doc.transaction():
        return source(root)


def _root(opened: Opened, name: str | None) -> Any:
    if name is None:
        name = only_root(opened, (Text, XmlFragment))
        if name is None:
            raise NotFound("the document holds neither text nor XML; read it as JSON")
    if name not in opened.kinds:
        raise NotFound(f"the document has no root {name!r}")
    root = opened.root(name)
    if not isinstance(root, Text | XmlFragment):
        raise Malformed(f"the root {name!r} is neither text nor XML; read it as JSON")
    return root


def _lines(node: Any) -> list[str]:
    """The text of each innermost block."""
    children = list(node.children)
    if not any(isinstance(child, XmlElement) for child in children):
        return ["".join([_plain_runs(child) for child in children])]
    lines: list[str] = []
    for child in children:
        lines += [_plain_runs(child)] if isinstance(child, XmlText) else _lines(child)
    return lines


def _plain_runs(node: XmlText) -> str:
    return "".join([part if isinstance(part, str) else OBJECT for part, _ in node.diff()])


def _runs(node: Text | XmlText) -> str:
    return "".join([_marked(part, marks or {}) for part, marks in node.diff()])


def _marked(part: Any, marks: Mapping[str, Any]) -> str:
    if not isinstance(part, str):
        return OBJECT
    inner = part.strip()
    if not inner:
        return part
    marked = inner
    for name, mark in _MARKS.items():
        if marks.get(name):
            marked = f"{mark}{marked}{mark}"
    link = marks.get("link")
    href = link.get("href") if isinstance(link, dict) else link
    if isinstance(href, str):
        marked = f"[{marked}]({href})"
    at = part.index(inner)
    return part[:at] + marked + part[at + len(inner) :]


def _blocks(node: Any) -> list[str]:
    """Blocks of Markdown, without the empty lines between them."""
    blocks: list[str] = []
    for child in node.children:
        blocks += [_runs(child)] if isinstance(child, XmlText) else _block(child)
    return blocks


def _block(node: XmlElement) -> list[str]:
    tag = node.tag or ""
    attributes = attributes_of(node)
    if tag == "heading":
        return ["#" * _level(attributes.get("level")) + " " + _inline(node)]
    if tag == "paragraph":
        return [_inline(node)]
    if tag in ("codeBlock", "code_block"):
        return [f"```{attributes.get('language') or ''}\n{_inline(node)}\n```"]
    if tag in ("horizontalRule", "horizontal_rule"):
        return ["---"]
    if tag == "image":
        return [_inline_element(node)]
    if tag == "blockquote":
        return ["\n".join([f"> {line}".rstrip() for line in _inner(node).split("\n")])]
    if tag in _LISTS:
        items = [child for child in node.children if isinstance(child, XmlElement)]
        is_ordered = tag in _ORDERED
        return ["\n".join([_item(each, at, is_ordered) for at, each in enumerate(items, 1)])]
    return _blocks(node)


def _item(node: XmlElement, number: int, is_ordered: bool) -> str:
    head = f"{number}. " if is_ordered else "- "
    checked = attributes_of(node).get("checked")
    if checked is not None:
        head += "[x] " if checked in (True, "true") else "[ ] "
    return head + _inner(node).replace("\n\n", "\n").replace("\n", "\n" + " " * len(head))


def _inner(node: XmlElement) -> str:
    return "\n\n".join(_blocks(node))


def _inline(node: XmlElement) -> str:
    parts = (
        _runs(child) if isinstance(child, XmlText) else _inline_element(child)
        for child in node.children
        if isinstance(child, XmlText | XmlElement)
    )
    return "".join(parts)


def _inline_element(node: XmlElement) -> str:
    if node.tag in ("hardBreak", "hard_break"):
        return "  \n"
    attributes = attributes_of(node)
    if node.tag == "image":
        return f"![{attributes.get('alt') or ''}]({attributes.get('src') or ''})"
    return _inline(node)


def _level(value: Any) -> int:
    try:
        return min(6, max(1, int(value)))
    except (TypeError, ValueError):
        return 1
