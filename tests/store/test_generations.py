"""Bases and traces in the file: one generation back is always there, and damage is noticed."""

from __future__ import annotations

import random
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.errors import Damaged
from syncroom.store.base import Generation, StoredDocument, Trace
from syncroom.store.database import Database
from syncroom.store.traces import encode_traces
from tests.store.appender import INCARNATION, numbered
from tests.store.files import flip, tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = ("demo", "notes.md")


def append(database: Database, first: int, end: int) -> None:
    changes = [(*NAME, INCARNATION, numbered(each), None, False, "") for each in range(first, end)]
    database.write(changes)


def trace(number: int) -> Trace:
    return Trace(number, "ada", ((number, 0, 1),), ())


def compact(database: Database, after: int, upto: int) -> bool:
    traces = encode_traces([trace(number) for number in range(after + 1, upto + 1)])
    generation = Generation(after, upto, f"base {upto}".encode() * 100, traces)
    return database.replace(*NAME, INCARNATION, generation)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A document of 15 records, compacted at 5 and at 10."""
    database = Database(tmp_path / "data")
    database.open()
    append(database, 1, 11)
    compact(database, 0, 5)
    compact(database, 5, 10)
    append(database, 11, 16)
    yield database
    database.close()


def stored(after: int) -> StoredDocument:
    base = f"base {after}".encode() * 100 if after else b""
    records = tuple(map(numbered, range(after + 1, 16)))
    return StoredDocument(INCARNATION, records, base, after)


def rows(database: Database, select: str) -> list[Any]:
    with tool(database.file) as connection:
        return [row[0] for row in connection.execute(select)]


def test_the_generation_before_stays_until_the_next_one_comes(database: Database) -> None:
    assert rows(database, "SELECT seq FROM bases ORDER BY seq") == [5, 10]
    assert rows(database, "SELECT seq FROM log ORDER BY seq") == list(range(6, 16))

    assert compact(database, 10, 14)

    assert rows(database, "SELECT seq FROM bases ORDER BY seq") == [10, 14]
    assert rows(database, "SELECT seq FROM log ORDER BY seq") == list(range(11, 16))
    assert database.read(*NAME) == stored(14)
    assert database.traces(*NAME) == [trace(number) for number in range(1, 15)]


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM bases WHERE seq = 10",
        "UPDATE bases SET base = x'0102' WHERE seq = 10",
        "UPDATE bases SET base = 5 WHERE seq = 10",
        "UPDATE bases SET base = (SELECT base FROM bases WHERE seq = 5) WHERE seq = 10",
        "UPDATE bases SET seq = 11 WHERE seq = 10",
        "UPDATE bases SET checksum = checksum + 1 WHERE seq = 10",
    ],
)
def test_a_damaged_base_is_passed_over_and_the_next_one_is_made_of_the_one_before(
    database: Database, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with tool(database.file) as connection:
        connection.execute(damage)

    assert database.read(*NAME) == stored(5)
    assert "the generation before it is used" in caplog.text
    assert compact(database, 5, 15)
    assert rows(database, "SELECT seq FROM bases ORDER BY seq") == [5, 15]
    assert database.read(*NAME) == stored(15)
    assert database.traces(*NAME) == [trace(number) for number in range(1, 16)]


def test_a_damaged_first_base_leaves_the_whole_log(tmp_path: Path) -> None:
    database = Database(tmp_path / "data")
    database.open()
    append(database, 1, 16)
    compact(database, 0, 10)
    with tool(database.file) as connection:
        connection.execute("UPDATE bases SET base = x'00'")

    assert database.read(*NAME) == stored(0)
    database.close()


def test_two_damaged_bases_are_damage_and_nothing_is_served(database: Database) -> None:
    with tool(database.file) as connection:
        connection.execute("UPDATE bases SET base = x'00'")

    with pytest.raises(Damaged, match="no base of"):
        database.read(*NAME)


def test_every_turned_bit_of_a_base_is_noticed(database: Database) -> None:
    rng = random.Random(4)
    (good,) = rows(database, "SELECT base FROM bases WHERE seq = 10")
    for _ in range(200):
        with tool(database.file) as connection:
            turned = flip(good, rng.randrange(8 * len(good)))
            connection.execute("UPDATE bases SET base = ? WHERE seq = 10", (turned,))

        assert database.read(*NAME) == stored(5)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM traces WHERE seq = 5",
        "DELETE FROM traces WHERE seq = 10",
        "UPDATE traces SET traces = x'00' WHERE seq = 5",
        "UPDATE traces SET seq = 9 WHERE seq = 10",
    ],
)
def test_lost_or_altered_traces_are_damage_and_the_document_is_not(
    database: Database, damage: str
) -> None:
    with tool(database.file) as connection:
        connection.execute(damage)

    with pytest.raises(Damaged):
        database.traces(*NAME)
    assert database.read(*NAME) == stored(10)


class Failing(sqlite3.Connection):
    """A connection on which one statement of a transaction fails."""

    left = -1

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        if self.left == 0:
            raise sqlite3.OperationalError("disk I/O error")
        self.left -= 1
        return super().execute(*arguments)


def test_a_failure_at_any_statement_leaves_the_generation_that_was(
    database: Database, tmp_path: Path
) -> None:
    failing = sqlite3.connect(
        database.file, factory=Failing, isolation_level=None, check_same_thread=False
    )
    database._writer, writer = failing, database._writer
    failures = 0
    for statement in range(100):
        failing.left = statement
        try:
            assert compact(database, 10, 15)
            break
        except sqlite3.OperationalError:
            failures += 1
        assert database.read(*NAME) == stored(10)
        assert database.traces(*NAME) == [trace(number) for number in range(1, 11)]
    failing.left = -1
    database._writer = writer
    failing.close()

    assert failures == 10
    assert database.read(*NAME) == stored(15)
