"""
The n-th write or sync fails, with all that follow for a while: nothing is acknowledged that a power
cut could take, whatever else is going on, and all is stored once the disk works again.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from syncroom.errors import Misconfigured
from tests.faults.lives import Life, Promises, complaints, open_store
from tests.support.disk import Disk
from tests.support.vfs import (
    FULL,
    IOERR_FSYNC,
    IOERR_TRUNCATE,
    IOERR_WRITE,
    READONLY,
    recorded_disk,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.vfs import RecordedDisk

CUTS = 3

CODES = {
    "write": (FULL, IOERR_WRITE, READONLY),
    "sync": (IOERR_FSYNC,),
    "truncate": (IOERR_TRUNCATE,),
    "delete": (),
}


class FailingSpell:
    """So many operations of a disk fail, after so many that work."""

    def __init__(self, rng: random.Random, after: int, count: int) -> None:
        self.failed = 0
        self._rng = rng
        self._after = after
        self._count = count

    def fault(self, kind: str, _name: str) -> int:
        if not CODES[kind]:
            return 0
        self._after -= 1
        if self._after >= 0 or self.failed == self._count:
            return 0
        self.failed += 1
        return self._rng.choice(CODES[kind])


async def live(disk: RecordedDisk, folder: Path, spell: FailingSpell, rng: random.Random) -> None:
    """A life with a failing spell, in which everything is stored at last."""
    store = await open_store(folder, wal_autocheckpoint=rng.randrange(5, 60))
    failures: list[str | None] = []
    store.on_failure = failures.append
    disk.fault = spell.fault
    life = Life(disk, store, rng)
    while spell.failed == 0:  # how many operations a life takes depends on what shares a commit
        await life.run()
    for path, seq in life.seqs.items():
        if path in life.incarnations:
            stored = await store.load("demo", path)
            assert stored is not None
            assert stored.last_seq == seq
    assert store.failure is None
    assert failures[-1:] in ([], [None])
    await store.close()
    disk.fault = lambda kind, name: 0


@pytest.mark.parametrize("lot", range(4))
async def test_whichever_operation_fails_nothing_is_acknowledged_that_is_not_on_disk(
    tmp_path: Path, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncroom.store.sqlite.RETRY_S", 0.0)
    disk = recorded_disk()
    with disk.in_place():
        for nth in range(1 + lot, 201, 4):
            rng = random.Random(nth)
            spell = FailingSpell(rng, nth - 1, rng.randrange(1, 20))
            folder = tmp_path / f"{nth}"
            disk.events.clear()
            await live(disk, folder, spell, rng)

            events = disk.events.copy()
            cuts = {rng.randrange(len(events)) for _ in range(CUTS)}
            left, promises = Disk(), Promises()
            for index, event in enumerate(events):
                left.follow(event, rng)
                promises.follow(event)
                if index in cuts:
                    left.cut(rng).write_to(tmp_path / f"{nth}-{index}")
                    assert await complaints(tmp_path / f"{nth}-{index}", promises) == []


async def test_whichever_operation_fails_at_the_start_the_folder_is_sound(tmp_path: Path) -> None:
    disk = recorded_disk()
    outcomes = set()
    with disk.in_place():
        for nth in range(1, 40):
            rng = random.Random(nth)
            folder = tmp_path / str(nth)
            disk.fault = FailingSpell(rng, nth - 1, 1).fault
            try:
                store = await open_store(folder)
                await store.close()
                outcomes.add("opened")
            except Misconfigured:
                outcomes.add("refused")
            disk.fault = lambda kind, name: 0

            assert await complaints(folder, Promises()) == []
    assert outcomes == {"opened", "refused"}
