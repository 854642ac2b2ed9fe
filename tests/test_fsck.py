"""fsck: whatever is wrong in a data folder is found and explained, and nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncroom.document.culprit import read_piece
from syncroom.document.host import ViewHosts
from syncroom.fsck import Fsck
from syncroom.limits import Limits
from syncroom.store.base import Generation, Record, Trace
from syncroom.store.quarantine import Quarantine
from syncroom.store.sqlite import SqliteStore
from syncroom.store.traces import encode_traces
from tests.protocol import craft
from tests.store.files import tool
from tests.support import corpus
from tests.support.poison import poison

if TYPE_CHECKING:
    from pathlib import Path

    from syncroom.store.base import Finding

LIMITS = Limits(view_cpu_s=0.2)
INCARNATION = "a" * 32


def word(number: int) -> bytes:
    """A struct of its own client."""
    return craft.update(craft.section(number, 0, craft.string(f"word {number}")))


async def fill(folder: Path, *updates: bytes, path: str = "notes.md") -> None:
    store = SqliteStore(folder, commit_pause_s=0.0)
    await store.open()
    for data in updates:
        store.append("demo", path, INCARNATION, Record(1, "ann", (), (data,)))
    await store.close()


async def check(folder: Path) -> list[Finding]:
    store, hosts = SqliteStore(folder, commit_pause_s=0.0), ViewHosts(LIMITS)
    await store.open()
    fsck = Fsck(store, hosts, Quarantine(folder), LIMITS)
    found = await fsck.file()
    for info in await store.documents("demo"):
        found += await fsck.document("demo", info.path)
    await hosts.close()
    await store.close()
    return found


def short(found: list[Finding]) -> list[tuple[str, str, int | None]]:
    return [(each.kind, each.path, each.seq) for each in found]


async def test_a_sound_folder_has_no_findings(tmp_path: Path) -> None:
    await fill(tmp_path, word(1), word(2))

    assert await check(tmp_path) == []


async def test_an_altered_record_is_found_and_others_are_still_checked(tmp_path: Path) -> None:
    await fill(tmp_path, word(1), word(2), word(3))
    await fill(tmp_path, poison(), path="other.md")
    with tool(tmp_path / "syncroom.db") as connection:
        connection.execute("UPDATE log SET time_ms = 7 WHERE document = 1 AND seq IN (1, 3)")

    found = short(await check(tmp_path))

    assert ("checksum", "notes.md", 1) in found
    assert ("checksum", "notes.md", 3) in found
    assert ("unreadable", "notes.md", None) in found
    assert ("native", "other.md", 1) in found


async def test_missing_records_are_found(tmp_path: Path) -> None:
    await fill(tmp_path, *map(word, range(1, 7)))
    with tool(tmp_path / "syncroom.db") as connection:
        connection.execute("DELETE FROM log WHERE seq IN (2, 3, 6)")

    found = [each for each in await check(tmp_path) if each.kind == "missing"]

    assert [(each.seq, each.text) for each in found] == [
        (2, "it is missing, with all up to 3"),
        (6, "it is missing"),
    ]


async def test_an_altered_row_and_rows_of_nobody_are_found(tmp_path: Path) -> None:
    await fill(tmp_path, word(1))
    await fill(tmp_path, word(1), path="other.md")
    with tool(tmp_path / "syncroom.db") as connection:
        connection.execute("UPDATE heads SET changed_ms = 9 WHERE document = 1")
        for row, document in ((98, 2), (99, 99)):
            insert = "INSERT INTO log VALUES (?, 0, ?, 1, 1, '', '', '', 0)"
            connection.execute(insert, (row, document))

    found = short(await check(tmp_path))

    assert ("orphan", "", None) in found
    assert ("orphan", "other.md", None) in found
    assert ("row", "notes.md", None) in found


async def test_an_altered_base_is_found(tmp_path: Path) -> None:
    await fill(tmp_path, word(1), word(2))
    store = SqliteStore(tmp_path, commit_pause_s=0.0)
    await store.open()
    pieces = [read_piece([word(number)], 64) for number in (1, 2)]
    traces = encode_traces([Trace(1, "ann", each.written, each.deleted) for each in pieces])
    base = craft.update(
        craft.section(2, 0, craft.string("word 2")), craft.section(1, 0, craft.string("word 1"))
    )
    assert await store.replace("demo", "notes.md", INCARNATION, Generation(0, 2, base, traces))
    await store.close()
    assert await check(tmp_path) == []

    with tool(tmp_path / "syncroom.db") as connection:
        connection.execute("UPDATE bases SET base = zeroblob(10)")

    assert ("checksum", "notes.md", 2) in short(await check(tmp_path))


async def test_an_update_that_builds_on_nothing_is_found(tmp_path: Path) -> None:
    gap = craft.update(craft.section(1, 50, craft.string("later")))
    await fill(tmp_path, word(1), gap)

    (found,) = await check(tmp_path)

    assert (found.kind, found.seq) == ("update", 2)
    assert "missing" in found.text


@pytest.mark.parametrize(
    "case",
    [each for each in corpus.cases() if each.kind == "update" and each.answer == "refused"],
    ids=lambda case: case.name,
)
async def test_what_a_server_refuses_is_found_when_it_is_in_the_log(
    tmp_path: Path, case: corpus.Case
) -> None:
    await fill(tmp_path, word(1), case.payload(), word(2))

    found = [(each.kind, each.seq) for each in await check(tmp_path)]

    assert found[0] == ("update", 2)


async def test_poison_is_found_by_its_number_and_nothing_is_changed(tmp_path: Path) -> None:
    await fill(tmp_path, word(1), poison(), word(2))
    before = (tmp_path / "syncroom.db").read_bytes()

    (found,) = await check(tmp_path)

    assert (found.kind, found.seq) == ("native", 2)
    assert "processor time" in found.text
    assert (tmp_path / "syncroom.db").read_bytes() == before
    assert not (tmp_path / "quarantine").exists()
