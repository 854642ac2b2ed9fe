"""
Honest traffic: pycrdt replicas that edit everything Yjs knows and meet at times, and what Yjs
itself wrote in such sessions.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pycrdt
from hypothesis import strategies as st

_YJS = Path(__file__).parent / "data" / "yjs.json"

WORDS = ("a", "word", "é", "😀", "a👩‍💻b", "中文", "\n", "x" * 130)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    63,
    64,
    -64,
    2**31,
    2**53 - 1,
    0.5,
    1e300,
    "",
    "text",
    "😀",
    b"\x00\xff",
    [],
    [1, [2, [3, {"deep": None}]]],
    {},
    {"a": {"b": [1, {"c": "😀"}]}},
)
FORMATS: tuple[dict[str, Any], ...] = (
    {"bold": True},
    {"bold": None},
    {"link": {"href": "x", "numbers": [1, 2]}},
    {"size": 12.5},
)

Step = tuple[int, int, int, int]
"""Who does what, with two numbers that say where and with which value."""


class Replica:
    """A pycrdt document, and every update that was made here."""

    def __init__(self, client_id: int) -> None:
        self.doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=client_id)
        self.made: list[bytes] = []
        self._is_remote = False
        self._text: pycrdt.Text = self.doc.get("text", type=pycrdt.Text)
        self._rich: pycrdt.Text = self.doc.get("rich", type=pycrdt.Text)
        self._map: pycrdt.Map[Any] = self.doc.get("map", type=pycrdt.Map)
        self._array: pycrdt.Array[Any] = self.doc.get("array", type=pycrdt.Array)
        self._xml: pycrdt.XmlFragment = self.doc.get("xml", type=pycrdt.XmlFragment)
        self._subscription = self.doc.observe(self._keep)
        self._edits = (
            self._insert,
            self._append,
            self._delete,
            self._insert_rich,
            self._format,
            self._embed,
            self._set,
            self._nest_in_map,
            self._subdocument,
            self._unset,
            self._push,
            self._nest_in_array,
            self._pop,
            self._element,
            self._unelement,
        )

    def _keep(self, event: pycrdt.TransactionEvent) -> None:
        if not self._is_remote:
            self.made.append(event.update)

    def edit(self, kind: int, at: int, value: int) -> None:
        """One of the kinds of edits, chosen by number."""
        self._edits[kind % len(self._edits)](at, value)

    def learn(self, update: bytes) -> None:
        """Take in what somebody else did."""
        self._is_remote = True
        self.doc.apply_update(update)
        self._is_remote = False

    def text(self) -> str:
        return str(self._text)

    def content(self) -> dict[str, Any]:
        """What a reader sees of it."""
        return {
            "text": str(self._text),
            "rich": str(self._rich),
            "map": sorted(self._map.keys()),
            "array": len(self._array),
            "xml": str(self._xml),
        }

    def _place(self, at: int) -> int:
        """A place between two characters, in the bytes that pycrdt counts."""
        text = str(self._text)
        return len(text[: at % (len(text) + 1)].encode())

    def _insert(self, at: int, value: int) -> None:
        self._text.insert(self._place(at), WORDS[value % len(WORDS)])

    def _append(self, at: int, value: int) -> None:
        self._text += WORDS[value % len(WORDS)]

    def _delete(self, at: int, value: int) -> None:
        text = str(self._text)
        if text:
            first = at % len(text)
            end = min(len(text), first + 1 + value % 5)
            del self._text[len(text[:first].encode()) : len(text[:end].encode())]

    def _insert_rich(self, at: int, value: int) -> None:
        self._rich.insert(at % (len(self._rich) + 1), "rich", FORMATS[value % len(FORMATS)])

    def _format(self, at: int, value: int) -> None:
        if len(self._rich):
            first = at % len(self._rich)
            self._rich.format(first, len(self._rich), FORMATS[value % len(FORMATS)])

    def _embed(self, at: int, value: int) -> None:
        self._rich.insert_embed(0, {"value": FORMATS[value % len(FORMATS)], "text": "😀"})

    def _set(self, at: int, value: int) -> None:
        self._map["abc"[at % 3]] = VALUES[value % len(VALUES)]

    def _nest_in_map(self, at: int, value: int) -> None:
        nested = (pycrdt.Text("in"), pycrdt.Map({"k": 1}), pycrdt.Array([1, 2]))
        self._map["abc"[at % 3]] = nested[value % 3]

    def _subdocument(self, at: int, value: int) -> None:
        self._map["sub"] = pycrdt.Doc()

    def _unset(self, at: int, value: int) -> None:
        key = "abc"[at % 3]
        if key in self._map:
            del self._map[key]

    def _push(self, at: int, value: int) -> None:
        place = at % (len(self._array) + 1)
        self._array.insert(place, VALUES[value % len(VALUES)])

    def _nest_in_array(self, at: int, value: int) -> None:
        inner = pycrdt.Text("inner")
        self._array.append(pycrdt.Map({"text": inner, "n": value}))
        inner += WORDS[value % len(WORDS)]

    def _pop(self, at: int, value: int) -> None:
        if len(self._array):
            del self._array[at % len(self._array)]

    def _element(self, at: int, value: int) -> None:
        element = pycrdt.XmlElement("p", {"id": WORDS[value % len(WORDS)]}, [pycrdt.XmlText("in")])
        self._xml.children.insert(at % (len(self._xml.children) + 1), element)

    def _unelement(self, at: int, value: int) -> None:
        if len(self._xml.children):
            del self._xml.children[at % len(self._xml.children)]


MEET = 15
"""The kind of step at which a replica learns what another one did."""

steps = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, MEET + 1), st.integers(0, 400), st.integers(0, 400)
    ),
    min_size=1,
    max_size=25,
)


@dataclass(frozen=True, slots=True)
class Session:
    """What was written while some replicas edited, and the document that they arrive at."""

    replicas: list[Replica]
    diffs: list[bytes]

    @property
    def updates(self) -> list[bytes]:
        """Every change, in the order in which each replica made its own."""
        return [update for replica in self.replicas for update in replica.made]

    def whole(self) -> Replica:
        """A replica that has learnt everything."""
        whole = Replica(99)
        for replica in self.replicas:
            whole.learn(replica.doc.get_update())
        return whole


def play(script: list[Step]) -> Session:
    """Let three replicas edit and meet as a script says."""
    replicas = [Replica(client_id) for client_id in (1, 2**31 + 5, 2**53 - 1)]
    diffs = []
    for who, kind, at, value in script:
        if kind < MEET:
            replicas[who].edit(kind, at, value)
        else:
            other = replicas[at % 3]
            diffs.append(other.doc.get_update(replicas[who].doc.get_state()))
            replicas[who].learn(diffs[-1])
    return Session(replicas, diffs)


@dataclass(frozen=True, slots=True)
class YjsSession:
    """What Yjs wrote, and what it says of it."""

    updates: list[bytes]
    diffs: list[bytes]
    states: list[tuple[bytes, dict[int, int]]]
    vector: dict[int, int]


def yjs_session() -> YjsSession:
    """The recorded session of Yjs."""
    kept = json.loads(_YJS.read_text())
    return YjsSession(
        [base64.b64decode(each) for each in kept["updates"]],
        [base64.b64decode(each) for each in kept["diffs"]],
        [(base64.b64decode(each["update"]), _vector(each["vector"])) for each in kept["states"]],
        _vector(kept["final"]["vector"]),
    )


def _vector(kept: dict[str, int]) -> dict[int, int]:
    return {int(client): clock for client, clock in kept.items()}
