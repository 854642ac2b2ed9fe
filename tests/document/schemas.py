"""Schemas as the MeshAgent SDKs write them, and the content of documents that follow them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

JSON = dict[str, Any]

STRING: JSON = {"type": ["string", "null"]}
NUMBER: JSON = {"type": ["number", "null"]}
BOOLEAN: JSON = {"type": ["boolean", "null"]}
STATE: JSON = {"type": "string", "enum": ["open", "done"]}


def children(*tags: str, is_ordered: bool = False) -> JSON:
    refs = [{"$ref": f"#/$defs/{tag}"} for tag in tags]
    if is_ordered:
        return {"type": "array", "prefixItems": refs, "items": False}
    return {"type": "array", "items": {"anyOf": refs}}


def element(tag: str, **properties: JSON) -> JSON:
    body = {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [tag],
        "properties": {tag: body},
    }


def schema(root: str, *elements: JSON) -> JSON:
    defs = {each["required"][0]: each for each in elements}
    return {"$root_tag_ref": f"#/$defs/{root}", **defs[root], "$defs": defs}


TODO = schema(
    "todo",
    element("todo", name=STRING, items=children("item", "text")),
    element(
        "item",
        title=STRING,
        count=NUMBER,
        done=BOOLEAN,
        state=STATE,
        notes=children("item", "text"),
    ),
    element("text", kind=STRING),
)
"""A text of it has no property for its content, so that stands beside its attributes."""


def todo(*items: JSON, **attributes: Any) -> JSON:
    return {"todo": {**attributes, "items": list(items)}}


def item(*notes: JSON, **attributes: Any) -> JSON:
    return {"item": {**attributes, "notes": list(notes)}}


def text(*pieces: tuple[str, JSON], **attributes: Any) -> JSON:
    if not pieces:
        return {"text": attributes}
    return {"text": {**attributes, "delta": delta(*pieces)}}


def delta(*pieces: tuple[str, JSON]) -> list[JSON]:
    return [{"insert": insert, "attributes": formats} for insert, formats in pieces]


# -- any schema, and any content that follows it

_NAMES = st.text("abcdefghij", min_size=1, max_size=3)
_TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\N{GRINNING FACE}ü\n"), max_size=6
)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXTS,
    "number": st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda it: not it.is_integer()),
    "boolean": st.booleans(),
    "null": st.none(),
}
_FORMATS = st.fixed_dictionaries(
    {}, optional={"bold": st.just(True), "link": st.sampled_from(["a", "b"]), "n": st.just(1)}
)


@st.composite
def schemas(draw: st.DrawFn) -> JSON:
    """Any schema of a few elements; half of them have texts."""
    tags = draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True))
    tags += draw(st.sampled_from([[], ["text"]]))
    return schema(tags[0], *(draw(_elements(tag, tags)) for tag in tags))


@st.composite
def _elements(draw: st.DrawFn, tag: str, tags: list[str]) -> JSON:
    names = draw(st.lists(_NAMES, max_size=4, unique=True))
    properties: JSON = {}
    for name in names:
        kind = draw(st.sampled_from(["string", "number", "boolean", "null"]))
        properties[name] = {"type": draw(st.sampled_from([kind, [kind, "null"]]))}
    if draw(st.booleans()):
        allowed = draw(st.lists(st.sampled_from(tags), min_size=1, unique=True))
        properties["children"] = children(*allowed, is_ordered=draw(st.booleans()))
    return element(tag, **properties)


@st.composite
def contents(draw: st.DrawFn, given: JSON) -> JSON:
    """Any content of a schema, as it reads when it was written."""
    root = given["$root_tag_ref"].removeprefix("#/$defs/")
    return {root: draw(_bodies(given, root, 3, is_root=True))}


@st.composite
def _bodies(draw: st.DrawFn, given: JSON, tag: str, depth: int, *, is_root: bool = False) -> JSON:
    body: JSON = {}
    properties = given["$defs"][tag]["properties"][tag]["properties"]
    inner: list[JSON] = []
    for name, definition in properties.items():
        if name == "children":
            refs = definition.get("prefixItems") or definition["items"]["anyOf"]
            allowed = [each["$ref"].removeprefix("#/$defs/") for each in refs]
            chosen = draw(st.lists(st.sampled_from(allowed), max_size=4 if depth else 0))
            inner = [{each: draw(_bodies(given, each, depth - 1))} for each in chosen]
        elif draw(st.booleans()):
            kinds = definition["type"]
            kinds = kinds if isinstance(kinds, list) else [kinds]
            body[name] = draw(_VALUES[draw(st.sampled_from(kinds))])
    if tag == "text" and not is_root:
        pieces = draw(_deltas())
        if "children" in properties:
            inner.insert(0, {"text": {"delta": pieces}})
        elif pieces:
            body["delta"] = pieces
    if "children" in properties:
        body["children"] = inner
    return body


@st.composite
def _deltas(draw: st.DrawFn) -> list[JSON]:
    pieces: list[JSON] = []
    for insert, formats in draw(st.lists(st.tuples(_TEXTS, _FORMATS), max_size=4)):
        if insert and not (pieces and pieces[-1]["attributes"] == formats):
            pieces.append({"insert": insert, "attributes": formats})
    return pieces
