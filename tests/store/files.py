"""The files of a store, written and altered from outside."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from syncroom.store.database import Database
from tests.store.appender import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def tool(file: Path) -> Iterator[sqlite3.Connection]:
    """Another process's view of the file, and its way to alter it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection


def write_documents(folder: Path, *, documents: int, records: int) -> None:
    """Documents ``0.md``, ``1.md`` ... with numbered records, in a file that is closed again."""
    database = Database(folder)
    database.open()
    for number in range(records):
        database.write(
            [
                (
                    *("demo", f"{document}.md", f"{document:032x}"),
                    *(numbered(number + 1), None, False, ""),
                )
                for document in range(documents)
            ]
        )
    database.close()


def flip(value: Any, bit: int) -> Any:
    """The value with one bit turned, as a disk would."""
    if isinstance(value, int):
        return value ^ 1 << bit % 40
    if isinstance(value, str):
        return flip(value.encode(), bit).decode(errors="replace")
    turned = bytearray(value)
    turned[bit // 8 % len(turned)] ^= 1 << bit % 8
    return bytes(turned)
