"""The text in an element, as a delta: pieces, each with its formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncroom.document.edits import offsets, set_text
from syncroom.document.plain import key, normal, plain
from syncroom.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pycrdt import XmlText

    Delta = list[dict[str, Any]]
    """Pieces of the form ``{"insert": "text", "attributes": {"bold": true}}``."""


def read_delta(text: XmlText) -> Delta:
    """A text as a delta. What is no text, a picture for instance, is a piece as well."""
    return [
        {"insert": plain(part), "attributes": plain(formats or {})} for part, formats in text.diff()
    ]


def check_delta(given: object, where: str) -> Delta:
    """A delta as reading it back would show it; raises `Malformed`."""
    if not isinstance(given, list):
        raise Malformed(f"{where}: a delta is an array of pieces")
    delta: Delta = []
    for index, piece in enumerate(given):
        insert = piece.get("insert") if isinstance(piece, dict) else None
        formats = piece.get("attributes") or {} if isinstance(piece, dict) else None
        if not isinstance(insert, str) or not isinstance(formats, dict):
            raise Malformed(f"{where}: piece {index} is no text with its attributes")
        kept = {name: normal(value) for name, value in formats.items() if value is not None}
        if insert and delta and key(delta[-1]["attributes"]) == key(kept):
            delta[-1]["insert"] += insert
        elif insert:
            delta.append({"insert": insert, "attributes": kept})
    return delta


def set_delta(text: XmlText, target: Delta) -> None:
    """Make a text equal to a delta; what is the same in both is not touched."""
    set_text(text, "".join([piece["insert"] for piece in target]))
    ends = offsets(text)
    has, wants = _runs(read_delta(text)), _runs(target)
    at = upto = 0
    old: dict[str, Any] = {}
    for end, new in wants:
        while at < end:
            if at == upto:
                upto, old = next(has)
            stop = min(end, upto)
            names = [name for name in {*old, *new} if key(old.get(name)) != key(new.get(name))]
            if names:
                text.format(ends[at], ends[stop], {name: new.get(name) for name in names})
            at = stop


def _runs(delta: Delta) -> Iterator[tuple[int, dict[str, Any]]]:
    """For each piece, the number of characters up to its end, and its formats."""
    end = 0
    for piece in delta:
        end += len(piece["insert"]) if isinstance(piece["insert"], str) else 1
        yield end, piece["attributes"]
