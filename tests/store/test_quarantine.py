"""Quarantine: what is kept, found again, and never taken for something else."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from syncroom.errors import Unavailable
from syncroom.store.quarantine import FOLDER, Quarantine, Quarantined

if TYPE_CHECKING:
    from pathlib import Path

RECORD = Quarantined(
    room="demo",
    path="notes.md",
    incarnation="a" * 32,
    seq=7,
    time_ms=1_700_000_000_000,
    participant="ada",
    written=((1, 0, 5),),
    deleted=((2, 3, 4),),
    updates=("0000",),
    reason="it ended with SIGSEGV",
)


def test_a_record_is_found_again_after_a_restart(tmp_path: Path) -> None:
    Quarantine(tmp_path).add(RECORD)

    assert Quarantine(tmp_path).of(RECORD.incarnation) == [RECORD]
    assert Quarantine(tmp_path).of("b" * 32) == []


def test_the_file_bears_the_hash_and_is_for_its_owner(tmp_path: Path) -> None:
    Quarantine(tmp_path).add(RECORD)

    (file,) = (tmp_path / FOLDER).iterdir()
    assert file.stem == RECORD.sha256
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["updates"] == ["0000"]


def test_it_is_reported_with_its_hash(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Quarantine(tmp_path).add(RECORD)

    assert RECORD.sha256 in caplog.text
    assert "record 7 of 'notes.md'" in caplog.text


def test_without_a_folder_it_is_kept_in_memory() -> None:
    quarantine = Quarantine(None)

    quarantine.add(RECORD)

    assert quarantine.of(RECORD.incarnation) == [RECORD]


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"room": 1}', None])
def test_a_file_that_was_altered_is_left_alone_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str | None
) -> None:
    Quarantine(tmp_path).add(RECORD)
    (file,) = (tmp_path / FOLDER).iterdir()
    file.write_text(file.read_text().replace('"seq": 7', '"seq": 8') if damage is None else damage)
    caplog.clear()

    with caplog.at_level(logging.ERROR):
        assert Quarantine(tmp_path).of(RECORD.incarnation) == []

    assert "left alone" in caplog.text
    assert file.exists()


def test_what_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")

    with pytest.raises(Unavailable, match="quarantine"):
        Quarantine(tmp_path).add(RECORD)
