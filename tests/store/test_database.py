"""The file of a store: how it is made and held, and that every lost or altered bit is noticed."""

from __future__ import annotations

import random
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.errors import Damaged, Misconfigured
from syncroom.store.base import StoredDocument
from syncroom.store.database import Database
from syncroom.store.schema import SCHEMA_VERSION, check_or_create, connect
from tests.store.appender import numbered
from tests.store.files import flip, make_version, tool, write_documents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "syncroom.db"


def test_commits_wait_for_the_disk_itself(folder: Path, file: Path) -> None:
    folder.mkdir()
    with closing(connect(f"{file.as_uri()}?mode=rwc")) as connection:
        check_or_create(connection, file)

        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_closed_folder_holds_one_file_that_only_its_owner_reads(folder: Path, file: Path) -> None:
    write_documents(folder, documents=3, records=3)

    assert sorted(path.name for path in folder.iterdir()) == ["lock", "syncroom.db"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_newer_schema_is_refused_by_both_versions(folder: Path, file: Path) -> None:
    write_documents(folder, documents=1, records=1)
    with tool(file) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    with pytest.raises(Misconfigured, match=f"{SCHEMA_VERSION + 1}.* up to {SCHEMA_VERSION}"):
        Database(folder).open()


@pytest.mark.parametrize(
    ("alter", "error"),
    [
        ("PRAGMA application_id = 7", Misconfigured),
        ("PRAGMA user_version = 0", Damaged),
        ("CREATE TABLE extra(a)", Damaged),
        ("DROP TABLE log", Damaged),
    ],
)
def test_a_file_that_is_not_as_we_make_it_is_refused_and_left_alone(
    folder: Path, file: Path, alter: str, error: type[Exception]
) -> None:
    write_documents(folder, documents=1, records=1)
    with tool(file) as connection:
        connection.execute(alter)
    before = file.read_bytes()

    with pytest.raises(error, match=str(file)):
        Database(folder).open()

    assert file.read_bytes() == before


def test_a_file_of_schema_version_3_gains_what_it_lacks(folder: Path, file: Path) -> None:
    write_documents(folder, documents=3, records=2)
    with tool(file) as connection:
        connection.execute("UPDATE heads SET changed_ms = 1 WHERE document = 3")
        make_version(connection, 3)

    database = Database(folder)
    database.open()
    name = ("demo", "0.md", f"{0:032x}")
    database.write([(*name, numbered(3), None, False, "schema")])
    stored = [database.read("demo", path) for path in ("0.md", "1.md")]

    assert stored == [
        StoredDocument(name[2], tuple(map(numbered, (1, 2, 3))), schema="schema"),
        StoredDocument(f"{1:032x}", tuple(map(numbered, (1, 2)))),
    ]
    with pytest.raises(Damaged, match="not what was written"):
        database.read("demo", "2.md")
    database.close()


@pytest.mark.parametrize("alter", ["seq = 1", "checksum = 7", "schema = 'text'", "schema = x'00'"])
def test_an_altered_schema_of_a_document_is_noticed(folder: Path, file: Path, alter: str) -> None:
    write_documents(folder, documents=1, records=1)
    database = Database(folder)
    database.open()
    database.write([("demo", "0.md", f"{0:032x}", numbered(2), None, False, "schema")])
    database.close()
    with tool(file) as connection:
        connection.execute(f"UPDATE schemas SET {alter}")

    database.open()
    with pytest.raises(Damaged, match=r"schemas of .0\.md. "):
        database.read("demo", "0.md")
    database.close()


@pytest.mark.parametrize("garbled", [b"CREA\xd4E TABLE log", b"CREATE TABLE lof"])
def test_a_garbled_schema_is_damage(folder: Path, file: Path, garbled: bytes) -> None:
    write_documents(folder, documents=1, records=1)
    file.write_bytes(file.read_bytes().replace(b"CREATE TABLE log", garbled))

    with pytest.raises(Damaged, match=str(file)):
        Database(folder).open()


def test_a_place_without_a_write_ahead_log_is_refused(file: Path) -> None:
    with (
        closing(connect("file::memory:")) as connection,
        pytest.raises(Misconfigured, match="write-ahead log"),
    ):
        check_or_create(connection, file)


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\0" * 5000])
def test_a_file_that_is_no_database_is_damage(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)

    with pytest.raises(Damaged, match=str(file)):
        Database(file.parent).open()

    assert file.read_bytes() == content


def read_all(database: Database, documents: int) -> list[StoredDocument | None]:
    return [database.read("demo", f"{document}.md") for document in range(documents)]


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    """Twenty documents of ten records, open."""
    write_documents(folder, documents=20, records=10)
    opened = Database(folder)
    opened.open()
    yield opened
    opened.close()


def flip_in_table(connection: sqlite3.Connection, table: str, rowid: int, column: str) -> Any:
    """Turn a bit of one value, the lowest that the table's constraints allow; return the old."""
    where = f"WHERE rowid = {rowid}"
    (old,) = connection.execute(f"SELECT {column} FROM {table} {where}").fetchone()
    for bit in range(8):
        cast = "CAST(? AS TEXT)" if isinstance(old, str) else "?"
        try:
            connection.execute(f"UPDATE {table} SET {column} = {cast} {where}", (flip(old, bit),))
        except sqlite3.IntegrityError:
            continue
        return old
    raise AssertionError("every bit collides with another row")


@pytest.mark.parametrize(
    "column",
    ["previous", "document", "seq", "time_ms", "participant", "clients", "updates", "checksum"],
)
def test_a_flipped_bit_in_a_record_is_noticed(database: Database, file: Path, column: str) -> None:
    rng = random.Random(column)
    first = 21 if column == "previous" else 1  # nothing comes before the first of each document
    with tool(file) as connection:
        for rowid in rng.sample(range(first, 201), 40):
            select = "SELECT document, seq FROM log WHERE rowid = ?"
            document, seq = connection.execute(select, (rowid,)).fetchone()
            old = flip_in_table(connection, "log", rowid, column)

            with pytest.raises(
                Damaged, match=rf"record \d+ of '{document - 1}\.md' in room 'demo'"
            ):
                database.read("demo", f"{document - 1}.md")

            connection.execute(f"UPDATE log SET {column} = ? WHERE rowid = {rowid}", (old,))
            assert 1 <= seq <= 10
    assert None not in read_all(database, 20)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("documents", "incarnation"),
        ("documents", "created_ms"),
        ("heads", "changed_ms"),
        ("heads", "last_seq"),
        ("heads", "stored_bytes"),
        ("heads", "base_seq"),
        ("heads", "kept_seq"),
        ("heads", "checksum"),
    ],
)
def test_a_flipped_bit_in_the_rows_of_a_document_is_noticed(
    database: Database, file: Path, table: str, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    with tool(file) as connection:
        for number in range(20):
            old = flip_in_table(connection, table, number + 1, column)

            with pytest.raises(Damaged, match=rf"'{number}\.md' in room 'demo'"):
                database.read("demo", f"{number}.md")
            listed = [info.path for info in database.documents("demo")]
            assert len(listed) == 19
            assert f"{number}.md" not in listed
            assert f"'{number}.md'" in caplog.messages[-1]

            where = f"WHERE rowid = {number + 1}"
            connection.execute(f"UPDATE {table} SET {column} = ? {where}", (old,))
    assert len(database.documents("demo")) == 20


def test_a_flipped_bit_in_where_the_newest_record_stands_is_noticed(
    database: Database, file: Path
) -> None:
    with tool(file) as connection:
        for number in range(20):
            old = flip_in_table(connection, "heads", number + 1, "last_row")

            with pytest.raises(Damaged, match=rf"record \d+ of '{number}\.md' in room 'demo'"):
                database.read("demo", f"{number}.md")

            where = f"WHERE document = {number + 1}"
            connection.execute(f"UPDATE heads SET last_row = ? {where}", (old,))
    assert None not in read_all(database, 20)


def test_a_document_under_another_name_is_noticed(database: Database, file: Path) -> None:
    with tool(file) as connection:
        connection.execute("UPDATE documents SET path = 'x.md' WHERE path = '3.md'")
        connection.execute("UPDATE documents SET room = 'x' WHERE path = '4.md'")

    with pytest.raises(Damaged):
        database.read("demo", "x.md")
    with pytest.raises(Damaged):
        database.read("x", "4.md")


@pytest.mark.parametrize("row_id", [b"\x05", b"\x7f"])
def test_a_name_that_leads_elsewhere_is_noticed_while_running(
    database: Database, file: Path, row_id: bytes
) -> None:
    file.write_bytes(file.read_bytes().replace(b"demo3.md\x04", b"demo3.md" + row_id))

    with pytest.raises(Damaged, match=r"'3\.md' in room 'demo'"):
        database.read("demo", "3.md")


def test_names_that_cannot_be_read_are_damage_and_no_empty_room(
    database: Database, file: Path
) -> None:
    content = file.read_bytes()
    page = content.index(b"demo3.md\x04") // 4096 * 4096
    file.write_bytes(content[:page] + bytes(4096) + content[page + 4096 :])

    with pytest.raises(Damaged, match="room 'demo' can't be listed"):
        database.documents("demo")
    with pytest.raises(Damaged, match="can't be read"):
        database.read("demo", "3.md")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM log WHERE document = 4 AND seq = 1", "record 1 .* it is missing"),
        ("DELETE FROM log WHERE document = 4 AND seq = 5", "record 5 .* it is missing"),
        ("DELETE FROM log WHERE document = 4 AND seq = 10", "record 10 .* it is missing"),
        ("DELETE FROM log WHERE document = 4", "record 10 .* it is missing"),
        ("UPDATE log SET document = 5, seq = 11 WHERE document = 4 AND seq = 10", "record 10"),
        ("UPDATE log SET seq = seq - 4 WHERE document = 4", "record 10 .* number 6 "),
        ("UPDATE log SET previous = id WHERE document = 4", "record 9 .* it is missing"),
        ("UPDATE log SET previous = id - 1 WHERE document = 4", "record 9 .* of document 3"),
        ("DELETE FROM heads WHERE document = 4", "not what was written"),
    ],
)
def test_a_lost_or_strange_record_is_noticed(
    database: Database, file: Path, damage: str, said: str
) -> None:
    with tool(file) as connection:
        connection.execute(damage)

    with pytest.raises(Damaged, match=said):
        database.read("demo", "3.md")
    assert database.read("demo", "6.md") is not None


@pytest.mark.parametrize("whole", ["document", "room"])
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE log SET seq = 5 WHERE document = 4",
        "DELETE FROM log WHERE document = 4 AND seq = 5",
        "UPDATE log SET previous = id - 1 WHERE document = 4",
        "UPDATE heads SET last_row = 7 WHERE document = 4",
    ],
)
def test_of_a_damaged_document_that_is_deleted_nothing_stays(
    database: Database, file: Path, damage: str, whole: str
) -> None:
    with tool(file) as connection:
        connection.execute("UPDATE documents SET room = 'other' WHERE id != 4")
        connection.execute(damage)

    assert database.delete("demo", "3.md") if whole == "document" else database.delete_room("demo")

    with tool(file) as connection:
        for table in ("log", "heads"):
            kept = connection.execute(f"SELECT DISTINCT document FROM {table} ORDER BY document")
            assert [document for (document,) in kept] == [*range(1, 4), *range(5, 21)]


def test_swapped_records_are_noticed(database: Database, file: Path) -> None:
    with tool(file) as connection:
        for table_row in ("document = 4 AND seq = 5", "document = 9 AND seq = 5"):
            connection.execute(f"UPDATE log SET document = -document WHERE {table_row}")
        connection.execute("UPDATE log SET document = 13 + document WHERE document < 0")

    for path in ("3.md", "8.md"):
        with pytest.raises(Damaged, match=r"record 5 .* stands in its place"):
            database.read("demo", path)


def test_one_flipped_bit_anywhere_in_the_file_returns_no_other_content(
    folder: Path, file: Path
) -> None:
    write_documents(folder, documents=6, records=20)
    intact = file.read_bytes()
    rng = random.Random(23)
    anywhere = [rng.randrange(len(intact) * 8) for _ in range(250)]
    header = [rng.randrange(100 * 8) for _ in range(50)]
    expected = [
        StoredDocument(f"{document:032x}", tuple(map(numbered, range(1, 21))))
        for document in range(6)
    ]
    noticed = 0
    for bit in anywhere + header:
        file.write_bytes(flip(intact, bit))

        database = Database(folder)
        try:
            database.open()
            assert read_all(database, 6) == expected, f"bit {bit}"
        except (Damaged, Misconfigured):
            noticed += 1
        finally:
            database.close()

    assert noticed > 0
