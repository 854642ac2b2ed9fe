"""The store on disk: commits, failing disks, killed processes."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from syncroom.errors import Damaged, Misconfigured, Unavailable
from syncroom.store.base import Record, Refusal, StoredDocument
from syncroom.store.sqlite import SqliteStore
from tests.store.appender import DOCUMENTS, INCARNATION, numbered
from tests.store.files import tool, write_documents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

AN_HOUR_S = 3600.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "syncroom.db"


@pytest_asyncio.fixture
async def store(folder: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(folder, commit_pause_s=0.0)
    await opened.open()
    yield opened
    await opened.close()


async def test_a_record_is_in_the_file_when_its_callback_runs(
    store: SqliteStore, file: Path
) -> None:
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def look() -> None:
        with tool(file) as connection:
            seen.set_result(connection.execute("SELECT count(*) FROM log").fetchone()[0])

    store.append("demo", "notes.md", INCARNATION, numbered(1), look)

    assert await seen == 1


async def test_a_lone_record_is_committed_at_once_and_the_next_ones_together(
    folder: Path, file: Path
) -> None:
    store = SqliteStore(folder, commit_pause_s=AN_HOUR_S)
    await store.open()
    alone = asyncio.Event()
    counts: list[int] = []

    def count() -> None:
        with tool(file) as connection:
            counts.append(connection.execute("SELECT count(*) FROM log").fetchone()[0])

    store.append("demo", "notes.md", INCARNATION, numbered(1), alone.set)
    await alone.wait()
    for number in range(2, 12):
        store.append("demo", "notes.md", INCARNATION, numbered(number), count)
    await store.flush()

    assert counts == [11] * 10
    await store.close()


async def test_documents_outlive_the_process_and_go_on(folder: Path) -> None:
    for number in range(5):
        store = SqliteStore(folder, commit_pause_s=0.0)
        await store.open()
        store.append("demo", "notes.md", INCARNATION, numbered(number))
        await store.close()

    store = SqliteStore(folder, commit_pause_s=0.0)
    await store.open()
    expected = StoredDocument(INCARNATION, tuple(numbered(number) for number in range(5)))
    assert await store.load("demo", "notes.md") == expected
    await store.close()


async def test_a_folder_has_one_server_at_a_time(store: SqliteStore, folder: Path) -> None:
    second = SqliteStore(folder, commit_pause_s=0.0)

    with pytest.raises(Misconfigured, match=f"in use by another .* {os.getpid()}\\)"):
        await second.open()

    await store.close()
    await second.open()
    await second.close()


async def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(Misconfigured, match="data folder"):
        await SqliteStore(tmp_path / "data", commit_pause_s=0.0).open()


async def test_a_callback_that_raises_keeps_no_other_from_running(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[int] = []

    def fail() -> None:
        raise RuntimeError("a bug above")

    store.append("demo", "notes.md", INCARNATION, numbered(1), fail)
    store.append("demo", "notes.md", INCARNATION, numbered(2), partial(ran.append, 2))
    await store.flush()

    assert ran == [2]
    assert "a callback of the store raised" in caplog.messages


async def test_whoever_stops_waiting_disturbs_nobody(store: SqliteStore) -> None:
    ran: list[int] = []
    store.append("demo", "notes.md", INCARNATION, numbered(1), partial(ran.append, 1))
    impatient = asyncio.create_task(store.flush())
    patient = asyncio.create_task(store.flush())
    await asyncio.sleep(0)

    impatient.cancel()
    await patient

    assert ran == [1]
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_closing_that_is_cancelled_still_lets_go(folder: Path) -> None:
    store = SqliteStore(folder, commit_pause_s=0.0)
    await store.open()
    durable = asyncio.Event()
    store.append("demo", "notes.md", INCARNATION, numbered(1), durable.set)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)

    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    await durable.wait()
    again = SqliteStore(folder, commit_pause_s=0.0)
    await again.open()
    assert await again.load("demo", "notes.md") == StoredDocument(INCARNATION, (numbered(1),))
    await again.close()


async def test_nothing_follows_a_record_that_could_not_be_written(store: SqliteStore) -> None:
    ran: list[int] = []
    no_text = Record(1, "\ud800", (), (b"update",))
    refusals: list[Refusal] = []
    store.on_refusal = refusals.append
    store.append("demo", "notes.md", INCARNATION, numbered(1), partial(ran.append, 1))
    store.append("demo", "notes.md", INCARNATION, no_text, partial(ran.append, 2))
    store.append("demo", "notes.md", INCARNATION, numbered(3), partial(ran.append, 3))
    store.append("demo", "other.md", INCARNATION, numbered(4), partial(ran.append, 4))

    await store.flush()

    assert ran == [1, 4]
    assert ["surrogates" in refusal.reason for refusal in refusals] == [True, True]
    assert await store.load("demo", "notes.md") == StoredDocument(INCARNATION, (numbered(1),))
    with pytest.raises(Unavailable, match="could not be created"):
        await store.create("demo", "new.md", INCARNATION, no_text)


async def test_more_documents_than_the_writer_remembers(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncroom.store.database.KNOWN_MAX", 2)
    for number in range(20):
        store.append("demo", f"{number % 4}.md", INCARNATION, numbered(number))
        await store.flush()

    stored = await store.load("demo", "3.md")
    assert stored == StoredDocument(INCARNATION, tuple(numbered(n) for n in range(3, 20, 4)))


# A disk that fails


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process can grow past a size: to SQLite, a disk that refuses to write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_while_the_disk_fails_nothing_is_acknowledged_and_nothing_lost(
    store: SqliteStore,
) -> None:
    works_again = asyncio.Event()
    changes: list[str | None] = []
    ran: list[int] = []

    def changed(failure: str | None) -> None:
        changes.append(failure)
        if failure is None:
            works_again.set()

    store.on_failure = changed
    store.append("demo", "safe.md", INCARNATION, numbered(1))
    await store.flush()
    with file_size_limit(200_000):
        for number in range(1, 100):
            store.append("demo", "big.md", INCARNATION, numbered(50), partial(ran.append, number))
        with pytest.raises(Unavailable, match=r"syncroom\.db can't be written: .*SQLITE_"):
            await store.flush()
        store.append("demo", "big.md", INCARNATION, numbered(50), partial(ran.append, 100))
        with pytest.raises(Unavailable):
            await store.load("demo", "big.md")
        with pytest.raises(Unavailable):
            await store.create("demo", "new.md", INCARNATION, numbered(1))
        safe = await store.load("demo", "safe.md")
        ran_while_failing = list(ran)
        failure = store.failure
    await works_again.wait()
    await store.flush()

    assert ran_while_failing == []
    assert safe == StoredDocument(INCARNATION, (numbered(1),))
    assert failure is not None
    assert changes == [failure, None]
    assert store.failure is None
    assert ran == list(range(1, 101))
    assert await store.load("demo", "big.md") == StoredDocument(INCARNATION, (numbered(50),) * 100)
    assert await store.create("demo", "new.md", "f" * 32, numbered(2)) == StoredDocument(
        "f" * 32, (numbered(2),)
    )


async def test_a_file_that_a_tool_holds_is_tried_again_until_it_is_free(
    store: SqliteStore, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    durable = asyncio.Event()
    failed = asyncio.Event()
    store.on_failure = lambda failure: failed.set() if failure else None
    with tool(file) as connection:
        connection.execute("BEGIN IMMEDIATE")
        store.append("demo", "notes.md", INCARNATION, numbered(1), durable.set)
        await failed.wait()
        assert not durable.is_set()
        connection.execute("ROLLBACK")

    await durable.wait()

    said = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert said == [
        (
            logging.ERROR,
            f"{file} can't be written: database is locked (SQLITE_BUSY); trying again every 1 s",
        ),
        (logging.WARNING, f"writing works again: {file}"),
    ]


async def test_closing_while_the_disk_fails_says_what_is_lost_and_lets_go(folder: Path) -> None:
    store = SqliteStore(folder, commit_pause_s=0.0)
    await store.open()
    with file_size_limit(100_000):
        for _ in range(50):
            store.append("demo", "big.md", INCARNATION, numbered(50))
        with pytest.raises(Unavailable, match="50 records were never written"):
            await store.close()

    again = SqliteStore(folder, commit_pause_s=0.0)
    await again.open()
    assert await again.load("demo", "big.md") is None
    await again.close()


async def test_whichever_write_fails_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    for number, limit in enumerate(range(40_000, 240_000, 5_000)):
        folder = tmp_path / str(number)
        store = SqliteStore(folder, commit_pause_s=0.0)
        await store.open()
        acknowledged: list[int] = []
        with file_size_limit(limit):
            with pytest.raises(Unavailable):
                for record in range(200):
                    durable = partial(acknowledged.append, record)
                    store.append("demo", "notes.md", INCARNATION, numbered(record * 10), durable)
                    await store.flush()
            with pytest.raises(Unavailable):
                await store.close()

        again = SqliteStore(folder, commit_pause_s=0.0)
        await again.open()
        stored = await again.load("demo", "notes.md")
        records = () if stored is None else stored.records
        assert records[: len(acknowledged)] == tuple(numbered(n * 10) for n in acknowledged)
        assert len(records) <= len(acknowledged) + 1
        await again.close()


# A process that dies


async def killed_child(folder: Path, seed: int, lines_min: int) -> list[tuple[int, int]]:
    """Document and number of each record that a child saw acknowledged before it was killed."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.store.appender", str(folder), str(seed)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    try:
        lines = [await child.stdout.readline() for _ in range(lines_min)]
    finally:
        child.kill()
        await child.wait()
    lines += (await child.stdout.read()).splitlines()
    return [(int(document), int(number)) for document, number in map(bytes.split, lines)]


async def test_what_was_acknowledged_before_a_kill_is_there_after_it(folder: Path) -> None:
    rng = random.Random(20)
    stored_counts = [0] * DOCUMENTS
    for kill in range(30):
        for document, number in await killed_child(folder, kill, rng.randrange(1, 400)):
            assert number == stored_counts[document], "acknowledged out of order"
            stored_counts[document] = number + 1

        store = SqliteStore(folder, commit_pause_s=0.0)
        await store.open()
        for document, acknowledged in enumerate(stored_counts):
            stored = await store.load("demo", f"{document}.md")
            records = () if stored is None else stored.records
            assert records == tuple(map(numbered, range(len(records))))
            assert len(records) >= acknowledged
            stored_counts[document] = len(records)
        await store.close()


# A disk that forgets


async def test_nothing_is_written_over_a_damaged_document(folder: Path, file: Path) -> None:
    write_documents(folder, documents=2, records=3)
    with tool(file) as connection:
        connection.execute("UPDATE heads SET last_seq = 2 WHERE document = 1")
    store = SqliteStore(folder, commit_pause_s=0.0)
    await store.open()
    ran: list[int] = []
    refusals: list[Refusal] = []
    store.on_refusal = refusals.append

    store.append("demo", "0.md", f"{0:032x}", numbered(7), partial(ran.append, 0))
    store.append("demo", "1.md", f"{1:032x}", numbered(7), partial(ran.append, 1))
    await store.flush()
    with pytest.raises(Damaged):
        await store.create("demo", "0.md", "f" * 32, numbered(8))

    assert ran == [1]
    assert {refusal.path for refusal in refusals} == {"0.md"}
    assert "not what was written" in refusals[0].reason
    with tool(file) as connection:
        rows = connection.execute("SELECT document, count(*) FROM log GROUP BY document")
        assert rows.fetchall() == [(1, 3), (2, 4)]
    await store.close()
