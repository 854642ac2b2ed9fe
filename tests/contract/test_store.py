"""What every store promises, whatever it keeps documents in."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from syncroom.errors import Unavailable
from syncroom.store.base import (
    DocumentInfo,
    Generation,
    Item,
    Record,
    Refusal,
    Store,
    StoredDocument,
    Trace,
    new_room,
)
from syncroom.store.memory import MemoryStore
from syncroom.store.sqlite import SqliteStore
from syncroom.store.traces import encode_traces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

OPENERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda folder: SqliteStore(folder, commit_pause_s=0.004),
    # Under load a long pause changes nothing but the number of commits.
    "sqlite, long pause": lambda folder: SqliteStore(folder, commit_pause_s=0.05),
}

INCARNATION = "0123456789abcdef0123456789abcdef"
ANOTHER = "f" * 32


@pytest_asyncio.fixture(params=OPENERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = OPENERS[request.param](tmp_path / "data")
    await opened.open()
    yield opened
    await opened.close()


def record(number: int, *, updates: int = 1, participant: str = "ada") -> Record:
    """A record that no other number makes."""
    return Record(
        time_ms=1_700_000_000_000 + number,
        participant=participant,
        clients=(number, 2**53 - 1),
        updates=tuple(f"update {number}.{part}".encode() for part in range(updates)),
    )


async def append_all(store: Store, room: str, path: str, *records: Record) -> None:
    for each in records:
        store.append(room, path, INCARNATION, each)
    await store.flush()


async def records_of(store: Store, room: str, path: str) -> list[Record]:
    stored = await store.load(room, path)
    assert stored is not None
    return list(stored.records)


async def test_a_document_that_was_never_written_is_none(store: Store) -> None:
    assert await store.load("demo", "notes.md") is None


async def test_records_come_back_complete_and_in_order(store: Store) -> None:
    written = [record(number, updates=1 + number % 3) for number in range(300)]

    await append_all(store, "demo", "notes.md", *written)

    assert await store.load("demo", "notes.md") == StoredDocument(INCARNATION, tuple(written))


async def test_records_of_any_shape_come_back(store: Store) -> None:
    written = [
        Record(0, "", (), (b"",)),
        Record(1, "Grüße, 世界 \N{GRINNING FACE}\0", (0, 127, 128, 2**32), (b"\0" * 200_000, b"x")),
        Record(2, "ada", (1,) * 500, tuple(bytes([n]) * n for n in range(256))),
    ]

    await append_all(store, "demo", "notes.md", *written)

    assert await records_of(store, "demo", "notes.md") == written


async def test_callbacks_run_in_order_and_not_before_append_returns(store: Store) -> None:
    ran: list[int] = []
    last = asyncio.get_running_loop().create_future()

    for number in range(100):
        store.append(
            "demo", f"{number % 7}.md", INCARNATION, record(number), partial(ran.append, number)
        )
    store.append("demo", "last.md", INCARNATION, record(100), lambda: last.set_result(list(ran)))
    ran_at_once = list(ran)

    assert ran_at_once == []
    assert await last == list(range(100))


async def test_flush_returns_after_the_callbacks(store: Store) -> None:
    ran: list[int] = []
    for number in range(10):
        store.append("demo", "notes.md", INCARNATION, record(number), partial(ran.append, number))

    await store.flush()

    assert ran == list(range(10))


async def test_appending_from_a_callback_is_kept_too(store: Store) -> None:
    done = asyncio.Event()

    def again(number: int) -> None:
        if number == 8:
            done.set()
        else:
            store.append(
                "demo", "notes.md", INCARNATION, record(number), partial(again, number + 1)
            )

    again(0)
    await done.wait()

    assert await records_of(store, "demo", "notes.md") == [record(number) for number in range(8)]


async def test_a_load_sees_what_was_appended_before_it(store: Store) -> None:
    for number in range(50):
        store.append("demo", "notes.md", INCARNATION, record(number))

        assert len(await records_of(store, "demo", "notes.md")) == number + 1


async def test_rooms_and_paths_do_not_mix(store: Store) -> None:
    names = [("a", "bc"), ("ab", "c"), ("a", "b/c"), ("a/b", "c"), ("A", "bc"), ("a", "bc ")]
    for number, (room, path) in enumerate(names):
        store.append(room, path, f"{number:032x}", record(number))
    await store.flush()

    for number, (room, path) in enumerate(names):
        expected = StoredDocument(f"{number:032x}", (record(number),))
        assert await store.load(room, path) == expected
    assert await store.load("ab", "bc") is None


@pytest.mark.parametrize("path", ["Grüße/日本語.md", "a'b\"c;--.md", "%41?x=1#y.md", "😀" * 256])
async def test_any_path_is_a_name(store: Store, path: str) -> None:
    await append_all(store, "räume", path, record(1))

    assert await records_of(store, "räume", path) == [record(1)]
    assert [info.path for info in await store.documents("räume")] == [path]


async def test_many_documents_are_written_together(store: Store) -> None:
    for round_number in range(3):
        for number in range(200):
            store.append("demo", f"{number}.md", f"{number:032x}", record(round_number))
    await store.flush()

    loads = [store.load("demo", f"{number}.md") for number in range(200)]
    for number, stored in enumerate(await asyncio.gather(*loads)):
        expected = tuple(record(round_number) for round_number in range(3))
        assert stored == StoredDocument(f"{number:032x}", expected)


async def test_create_writes_initial_content_and_returns_it(store: Store) -> None:
    created = await store.create("demo", "notes.md", INCARNATION, record(1))

    assert created == StoredDocument(INCARNATION, (record(1),))
    assert await store.load("demo", "notes.md") == created


async def test_create_of_an_existing_document_changes_nothing(store: Store) -> None:
    await append_all(store, "demo", "notes.md", record(1), record(2))

    found = await store.create("demo", "notes.md", ANOTHER, record(3))

    assert found == StoredDocument(INCARNATION, (record(1), record(2)))
    assert await store.load("demo", "notes.md") == found


async def test_one_of_many_creations_at_the_same_time_wins(store: Store) -> None:
    creations = [
        store.create("demo", "notes.md", f"{number:032x}", record(number)) for number in range(20)
    ]

    returned = await asyncio.gather(*creations)

    assert len(set(returned)) == 1
    assert len(returned[0].records) == 1


async def test_a_schema_comes_with_a_record_and_stays_the_first_one(store: Store) -> None:
    store.append("demo", "notes.md", INCARNATION, record(1))
    store.append("demo", "notes.md", INCARNATION, record(2), schema='{"ü": 1}')
    store.append("demo", "notes.md", INCARNATION, record(3), schema="another")
    await append_all(store, "demo", "notes.md", record(4))

    stored = await store.load("demo", "notes.md")

    records = tuple(map(record, range(1, 5)))
    assert stored == StoredDocument(INCARNATION, records, schema='{"ü": 1}')


async def test_a_schema_creates_a_document_and_ends_with_it(store: Store) -> None:
    store.append("demo", "notes.md", INCARNATION, record(1), schema="first")
    await store.flush()
    await store.delete("demo", "notes.md")

    await store.create("demo", "notes.md", ANOTHER, record(2))

    assert await store.load("demo", "notes.md") == StoredDocument(ANOTHER, (record(2),))


async def test_a_schema_outlives_the_records_that_a_base_stands_for(store: Store) -> None:
    store.append("demo", "notes.md", INCARNATION, record(0), schema="kept")
    await append_all(store, "demo", "notes.md", *map(record, range(1, 9)))

    assert await store.replace("demo", "notes.md", INCARNATION, generation(0, 8))

    stored = await store.load("demo", "notes.md")
    assert stored == StoredDocument(INCARNATION, (record(8),), b"base 8", 8, "kept")


async def test_the_schema_of_a_refused_record_is_not_written(store: Store) -> None:
    await append_all(store, "demo", "notes.md", record(1))
    store.append("demo", "notes.md", ANOTHER, record(2), schema="refused")
    await store.flush()

    assert await store.load("demo", "notes.md") == StoredDocument(INCARNATION, (record(1),))


async def test_a_document_goes_on_after_its_creation(store: Store) -> None:
    await store.create("demo", "notes.md", INCARNATION, record(1))

    await append_all(store, "demo", "notes.md", record(2))

    assert await records_of(store, "demo", "notes.md") == [record(1), record(2)]


async def test_a_record_of_another_history_is_refused_aloud(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    refusals: list[Refusal] = []
    store.on_refusal = refusals.append
    await append_all(store, "demo", "notes.md", record(1))

    store.append("demo", "notes.md", ANOTHER, record(2), partial(ran.append, "refused"))
    store.append("demo", "notes.md", INCARNATION, record(3), partial(ran.append, "written"))
    store.append("demo", "other.md", ANOTHER, record(4), partial(ran.append, "other"))
    with caplog.at_level(logging.ERROR, "syncroom.store"):
        await store.flush()

    reason = f"the stored incarnation is {INCARNATION}"
    assert refusals == [Refusal("demo", "notes.md", ANOTHER, reason)]
    assert str(refusals[0]) in caplog.messages
    assert ran == ["written", "other"]
    assert await records_of(store, "demo", "notes.md") == [record(1), record(3)]
    assert store.failure is None


async def test_documents_are_listed_by_path_with_their_times_and_sizes(store: Store) -> None:
    await append_all(store, "demo", "b.md", record(5), record(9, updates=2))
    await append_all(store, "demo", "a/z.md", record(7))
    await append_all(store, "elsewhere", "c.md", record(8))

    listed = await store.documents("demo")

    began = 1_700_000_000_000
    assert listed == [
        DocumentInfo("a/z.md", INCARNATION, began + 7, began + 7, len(b"update 7.0")),
        DocumentInfo("b.md", INCARNATION, began + 5, began + 9, 3 * len(b"update 5.0")),
    ]


async def test_documents_near_a_path_are_listed_alone(store: Store) -> None:
    for path in ("a", "a/b", "a/b/c", "a/b0", "a/bc", "a/x", "b"):
        await append_all(store, "demo", path, record(1))
    await append_all(store, "elsewhere", "a/b", record(1))

    for near, paths in {
        "a/b": ["a", "a/b", "a/b/c"],
        "a/b/c": ["a", "a/b", "a/b/c"],
        "b": ["b"],
        "c": [],
    }.items():
        assert [each.path for each in await store.documents("demo", near)] == paths


async def test_a_room_without_documents_has_an_empty_list(store: Store) -> None:
    assert await store.documents("demo") == []


async def test_closing_writes_what_waits(store: Store) -> None:
    ran: list[int] = []
    for number in range(100):
        store.append("demo", "notes.md", INCARNATION, record(number), partial(ran.append, number))

    await store.close()

    assert ran == list(range(100))


async def test_a_closed_store_refuses_everything_and_may_be_closed_again(store: Store) -> None:
    await store.close()

    await store.close()

    with pytest.raises(Unavailable, match="not open"):
        store.append("demo", "notes.md", INCARNATION, record(1))
    with pytest.raises(Unavailable, match="not open"):
        await store.load("demo", "notes.md")
    with pytest.raises(Unavailable, match="not open"):
        await store.create("demo", "notes.md", INCARNATION, record(1))
    with pytest.raises(Unavailable, match="not open"):
        await store.documents("demo")
    with pytest.raises(Unavailable, match="not open"):
        await store.flush()


async def test_writing_works_from_the_start(store: Store) -> None:
    await append_all(store, "demo", "notes.md", record(1))

    assert store.failure is None


# -- generations


def generation(after: int, upto: int) -> Generation:
    traces = [trace(number) for number in range(after, upto)]
    return Generation(after, upto, f"base {upto}".encode(), encode_traces(traces))


def trace(number: int) -> Trace:
    written = ((number, 0, number + 1),)
    return Trace(record(number).time_ms, "ada", written, ((2**53 - 1, number, number + 3),))


async def test_a_base_stands_for_the_records_up_to_it(store: Store) -> None:
    await append_all(store, "demo", "notes.md", *map(record, range(10)))

    assert await store.replace("demo", "notes.md", INCARNATION, generation(0, 7))

    stored = await store.load("demo", "notes.md")
    assert stored == StoredDocument(INCARNATION, tuple(map(record, (7, 8, 9))), b"base 7", 7)
    assert stored.last_seq == 10
    assert stored.updates == [b"base 7", b"update 7.0", b"update 8.0", b"update 9.0"]


async def test_records_go_on_behind_a_base_and_the_next_base_stands_for_them(store: Store) -> None:
    await append_all(store, "demo", "notes.md", *map(record, range(4)))
    for upto in range(2, 12, 3):
        after = max(0, upto - 3) if upto > 2 else 0
        assert await store.replace("demo", "notes.md", INCARNATION, generation(after, upto))
        await append_all(store, "demo", "notes.md", *map(record, range(upto + 2, upto + 5)))

        stored = await store.load("demo", "notes.md")
        expected = tuple(map(record, range(upto, upto + 5)))
        assert stored == StoredDocument(INCARNATION, expected, f"base {upto}".encode(), upto)
    assert await store.traces("demo", "notes.md") == [trace(number) for number in range(11)]


@pytest.mark.parametrize(("after", "upto"), [(0, 2), (0, 3), (1, 4), (3, 3), (3, 7), (7, 7)])
async def test_a_base_that_was_made_of_something_else_is_not_taken(
    store: Store, after: int, upto: int
) -> None:
    await append_all(store, "demo", "notes.md", *map(record, range(6)))
    assert await store.replace("demo", "notes.md", INCARNATION, generation(0, 3))
    before = await store.load("demo", "notes.md"), await store.traces("demo", "notes.md")

    taken = await store.replace("demo", "notes.md", INCARNATION, generation(after, upto))

    assert not taken
    assert before == (
        await store.load("demo", "notes.md"),
        await store.traces("demo", "notes.md"),
    )


async def test_a_base_for_another_history_or_for_nothing_is_not_taken(store: Store) -> None:
    await append_all(store, "demo", "notes.md", *map(record, range(3)))

    assert not await store.replace("demo", "notes.md", ANOTHER, generation(0, 3))
    assert not await store.replace("demo", "other.md", INCARNATION, generation(0, 3))

    assert await store.load("demo", "other.md") is None
    assert await records_of(store, "demo", "notes.md") == list(map(record, range(3)))
    assert await store.traces("demo", "notes.md") == []
    assert await store.traces("demo", "other.md") == []


async def test_the_size_of_a_document_is_that_of_its_base_and_of_what_came_since(
    store: Store,
) -> None:
    await append_all(store, "demo", "notes.md", *map(record, range(9)))
    await store.replace("demo", "notes.md", INCARNATION, generation(0, 8))
    await append_all(store, "demo", "notes.md", record(9, updates=2))

    (info,) = await store.documents("demo")

    assert info.stored_bytes == len(b"base 8") + 3 * len(b"update 9.0")
    assert (info.created_ms, info.changed_ms) == (record(0).time_ms, record(9).time_ms)


async def test_rooms_with_documents_are_listed(store: Store) -> None:
    for room in ("b", "a", "b"):
        await append_all(store, room, "notes.md", record(1))

    assert await store.rooms() == ["a", "b"]


async def test_a_deleted_document_is_gone_with_all_that_was_kept_of_it(store: Store) -> None:
    await append_all(store, "demo", "notes.md", record(1), record(2))
    await append_all(store, "demo", "other.md", record(3))
    traces = [Trace(each.time_ms, each.participant, (), ()) for each in (record(1), record(2))]
    generation = Generation(0, 2, b"base", encode_traces(traces))
    assert await store.replace("demo", "notes.md", INCARNATION, generation)

    assert await store.delete("demo", "notes.md")

    assert await store.load("demo", "notes.md") is None
    assert await store.traces("demo", "notes.md") == []
    assert [info.path for info in await store.documents("demo")] == ["other.md"]
    assert await records_of(store, "demo", "other.md") == [record(3)]


async def test_what_was_appended_before_a_deletion_is_deleted_too(store: Store) -> None:
    store.append("demo", "notes.md", INCARNATION, record(1))

    assert await store.delete("demo", "notes.md")

    await store.flush()
    assert await store.load("demo", "notes.md") is None


async def test_what_is_not_there_is_not_deleted(store: Store) -> None:
    assert not await store.delete("demo", "notes.md")


async def test_a_deleted_path_begins_anew_under_another_incarnation_only(store: Store) -> None:
    await append_all(store, "demo", "notes.md", record(1))
    await store.delete("demo", "notes.md")

    refusals: list[Refusal] = []
    store.on_refusal = refusals.append
    store.append("demo", "notes.md", INCARNATION, record(2))
    await store.flush()
    assert [refusal.reason for refusal in refusals] == ["the document was deleted"]
    assert await store.load("demo", "notes.md") is None

    store.append("demo", "notes.md", ANOTHER, record(3))
    await store.flush()
    assert await store.load("demo", "notes.md") == StoredDocument(ANOTHER, (record(3),))


async def test_items_come_back_by_name_and_number_until_they_are_dropped(store: Store) -> None:
    items = [Item("b", 2, b"later"), Item("b", 1, b"\0\xff"), Item("a", 7, b"")]

    await store.change_items("demo", "queues", items)
    await store.change_items("demo", "queues", [Item("b", 1, b"anew")], [("a", 7), ("c", 1)])

    assert await store.items("demo", "queues") == [Item("b", 1, b"anew"), Item("b", 2, b"later")]
    assert await store.items("demo", "secrets") == await store.items("other", "queues") == []


async def test_the_items_of_a_room_go_with_it_but_what_is_kept_for_ever(store: Store) -> None:
    for room in ("demo", "other"):
        await store.add_room(new_room(room, 1))
        await store.change_items(room, "queues", [Item("a", 1, b"value")])

    await store.change_items("demo", "deleted:notes", [Item("", 0, b"clients")])

    await store.delete_room("demo")

    assert await store.items("demo", "queues") == []
    assert await store.items("demo", "deleted:notes") == [Item("", 0, b"clients")]
    assert await store.items("other", "queues") == [Item("a", 1, b"value")]
