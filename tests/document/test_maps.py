"""Documents that only the server writes: readers see what is in them, and no life but this one."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import pycrdt

from syncroom.document.maps import ListDocument, MapDocument
from syncroom.document.turns import Turns
from syncroom.limits import Limits
from syncroom.metrics import Metrics
from syncroom.protocol import state_vector
from tests.document.fakes import WIRE, FakePeer, turn
from tests.support import wire

NOW_MS = 1_760_000_000_000


Kind = TypeVar("Kind", MapDocument, ListDocument)


def _new(kind: type[Kind], now_ms: int = NOW_MS) -> Kind:
    return kind(
        ".room/things",
        "0" * 32,
        keep=None,
        limits=Limits(),
        metrics=Metrics(),
        turns=Turns(asyncio.get_running_loop()),
        now_ms=lambda: now_ms,
    )


def _document(now_ms: int = NOW_MS) -> MapDocument:
    document = _new(MapDocument, now_ms)
    document.open_map("things")
    return document


def _list() -> ListDocument:
    document = _new(ListDocument)
    document.open_list("things")
    return document


class Reader:
    """A pycrdt document that keeps what it is sent, over any number of the server's lives."""

    def __init__(self) -> None:
        self.doc: pycrdt.Doc[Any] = pycrdt.Doc()
        self._map: pycrdt.Map[Any] = self.doc.get("things", type=pycrdt.Map)

    def ask(self, document: MapDocument) -> bytes:
        (message,) = wire.messages(document.answer(WIRE, self.doc.get_state()))
        self.doc.apply_update(message.payload)
        return message.payload

    def hear(self, peer: FakePeer) -> None:
        for update in peer.updates():
            self.doc.apply_update(update)

    def things(self) -> dict[str, Any]:
        things: dict[str, Any] = self._map.to_py() or {}
        return things


async def test_a_reader_sees_what_was_set_and_what_is_changed_afterwards() -> None:
    document, reader, peer = _document(), Reader(), FakePeer("ann")
    document.set("a", {"n": 1, "list": [1, "two", None]})
    document.set("b", {"n": 2})
    document.join(peer)

    reader.ask(document)
    first = reader.things()
    seen = len(peer.deliveries)
    document.set("a", {"n": 3})
    document.remove("b")
    await turn()
    reader.hear(peer)

    assert first == {"a": {"n": 1, "list": [1, "two", None]}, "b": {"n": 2}}
    assert reader.things() == {"a": {"n": 3}}
    assert len(peer.deliveries) == seen + 1


async def test_entries_of_an_earlier_life_are_deleted_for_those_who_kept_them() -> None:
    reader = Reader()
    for life in range(10):
        document = _document(NOW_MS + life)
        document.set("shared", {"life": life})
        document.set(f"only {life}", {})
        reader.ask(document)

        assert reader.things() == {"shared": {"life": life}, f"only {life}": {}}


async def test_an_empty_life_deletes_what_was_kept() -> None:
    reader, document = Reader(), _document()
    document.set("a", {})
    reader.ask(document)

    reader.ask(_document())

    assert reader.things() == {}


async def test_a_reader_of_this_life_is_told_nothing_twice() -> None:
    document, reader = _document(), Reader()
    document.set("a", {})
    reader.ask(document)

    assert reader.ask(document) == b"\0\0"


async def test_any_vector_is_answered() -> None:
    document = _document()
    document.set("a", {})

    for vector in ({7: 0}, {7: 2**31 - 1}, {2**53 - 1: 1, 5: 9}):
        (message,) = wire.messages(document.answer(WIRE, state_vector.encode(vector)))
        fresh: pycrdt.Doc[Any] = pycrdt.Doc()
        fresh.apply_update(message.payload)
        assert fresh.get("things", type=pycrdt.Map).to_py() == {"a": {}}


def _items(document: ListDocument) -> list[Any]:
    """What somebody sees who opens a list now."""
    (message,) = wire.messages(document.answer(WIRE, state_vector.encode({})))
    fresh: pycrdt.Doc[Any] = pycrdt.Doc()
    fresh.apply_update(message.payload)
    items: list[Any] = fresh.get("things", type=pycrdt.Array).to_py() or []
    return items


async def test_a_list_is_appended_to_and_shortened_at_its_beginning() -> None:
    document, peer = _list(), FakePeer("ann")
    document.append({"n": 1})
    document.append({"n": 2})
    before = _items(document)
    document.join(peer)

    document.append({"n": 3}, dropped=2)
    await turn()

    assert before == [{"n": 1}, {"n": 2}]
    assert len(peer.updates()) == 1
    assert _items(document) == [{"n": 3}]


async def test_what_is_past_is_dropped_and_readers_of_any_age_see_the_same() -> None:
    document, peer = _list(), FakePeer("ann")
    reader: pycrdt.Doc[Any] = pycrdt.Doc()
    document.append({"n": 0})
    (message,) = wire.messages(document.answer(WIRE, reader.get_state()))
    reader.apply_update(message.payload)
    document.join(peer)
    document.append({"n": 1})
    late = reader.get_state()

    for number in range(2, 3000):
        document.append({"n": number}, dropped=1)
        await turn()

    for update in peer.updates():
        reader.apply_update(update)
    returned: pycrdt.Doc[Any] = pycrdt.Doc()
    returned.apply_update(message.payload)
    (missed,) = wire.messages(document.answer(WIRE, late))
    returned.apply_update(missed.payload)
    expected = [{"n": 2998}, {"n": 2999}]
    assert len(document.whole()) < 40_000
    assert _items(document) == expected
    assert reader.get("things", type=pycrdt.Array).to_py() == expected
    assert returned.get("things", type=pycrdt.Array).to_py() == expected


async def test_a_map_that_changes_for_ever_stays_small() -> None:
    document = _document()

    for number in range(5000):
        document.set("a", {"n": number})
        await turn()

    assert len(document.whole()) < 40_000


async def test_what_the_native_encoder_can_not_take_is_kept_as_near_as_possible() -> None:
    document, reader = _document(), Reader()

    document.set("a", {"big": 2**70, "half": "\ud800", "list": [-(2**63)]})
    reader.ask(document)

    assert reader.things() == {"a": {"big": 2.0**70, "half": "?", "list": [-(2.0**63)]}}
