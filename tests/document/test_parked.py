"""Updates that wait for what they build on: kept, on disk too, until somebody brings the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pycrdt import Doc, Text

from syncroom.document.document import Outcome
from syncroom.errors import LimitExceeded
from syncroom.limits import Limits
from syncroom.rooms import Rooms
from syncroom.store.memory import MemoryStore
from tests.document.fakes import FakePeer

if TYPE_CHECKING:
    from syncroom.document.document import Document


def _edits(count: int) -> list[bytes]:
    """Updates of one client, each of which builds on the one before."""
    doc: Doc = Doc()  # type: ignore[type-arg]
    text = doc.get("text", type=Text)
    updates: list[bytes] = []
    doc.observe(lambda event: updates.append(event.update))
    for number in range(count):
        text += str(number)
    return updates


def _text(document: Document) -> str:
    doc: Doc = Doc()  # type: ignore[type-arg]
    doc.apply_update(document.whole())
    return str(doc.get("text", type=Text))


async def _rooms(**limits: int) -> tuple[Rooms, MemoryStore]:
    store = MemoryStore()
    await store.open()
    return Rooms(store, Limits.model_validate(limits)), store


async def test_what_was_parked_is_taken_when_somebody_brings_what_was_missing() -> None:
    rooms, store = await _rooms()
    document = await rooms.room("demo").open("notes")
    first, second, third = _edits(3)
    document.park(FakePeer("ann"), third)
    document.park(FakePeer("ann"), second)
    assert (len(document.parked), _text(document)) == (2, "")

    assert document.accept(FakePeer("bob"), first, live=False) is Outcome.TAKEN
    while document.parked:
        document.flush()

    assert _text(document) == "012"
    await rooms.flush()
    assert await store.items("demo", "parked:notes") == []


async def test_what_was_parked_waits_on_disk_for_the_next_server() -> None:
    rooms, store = await _rooms()
    document = await rooms.room("demo").open("notes")
    first, second = _edits(2)
    document.park(FakePeer("ann"), second)
    await rooms.flush()
    while not await store.items("demo", "parked:notes"):
        await rooms.flush()

    again = await Rooms(store, Limits()).room("demo").open("notes")
    assert len(again.parked) == 1
    again.accept(FakePeer("bob"), first, live=False)
    while again.parked:
        again.flush()

    assert _text(again) == "01"


async def test_a_part_that_brings_nothing_of_what_is_missing_heals_nothing() -> None:
    rooms, _ = await _rooms()
    document = await rooms.room("demo").open("notes")
    _, _, third = edits = _edits(3)
    document.park(FakePeer("ann"), third)

    document.accept(FakePeer("bob"), edits[0], live=False)
    document.flush()

    assert (len(document.parked), _text(document)) == (1, "0")


async def test_what_is_parked_has_a_bound() -> None:
    rooms, _ = await _rooms(parked_bytes_max=30)
    document = await rooms.room("demo").open("notes")
    _, second, third = _edits(3)
    document.park(FakePeer("ann"), second)

    with pytest.raises(LimitExceeded, match="wait for what they build on"):
        document.park(FakePeer("ann"), third)

    assert len(document.parked) == 1


async def test_what_is_parked_goes_with_its_document() -> None:
    rooms, store = await _rooms()
    document = await rooms.room("demo").open("notes")
    first, _, third = _edits(3)
    document.accept(FakePeer("ann"), first, live=True)
    document.park(FakePeer("ann"), third)
    await rooms.flush()

    await rooms.room("demo").delete("notes")

    assert await store.items("demo", "parked:notes") == []
