"""
The power is cut at any moment: what was acknowledged is there, and all that is there loads.

Each seed is a row of lives of one data folder. A life ends by a cut or by ``kill -9``, and the next
one goes on from what the disk holds then. In between the power is cut, for the sake of the
question, at many other points of each life; what the disk holds then is opened, checked, and
written to.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from copy import deepcopy
from typing import TYPE_CHECKING

import pytest

from tests.faults.lives import ROOM, Life, Promises, complaints, open_store
from tests.store.appender import INCARNATION, numbered
from tests.support.disk import Disk
from tests.support.vfs import recorded_disk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.vfs import Event

LIVES = 5
CUTS = 10
"""In each life; one of them amid each thing that is rarer than a commit."""
SEEDS = range(200 if "SYNCROOM_NIGHTLY" in os.environ else 20)


class History:
    """A data folder through several lives, and what was promised of it."""

    def __init__(self, tmp_path: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.recorded = recorded_disk()
        self.disk = Disk()
        self.promises = Promises()
        self.cuts = 0
        self.under_way: Counter[str] = Counter()
        """How many cuts came in the middle of what."""
        self.harm: list[list[str]] = []
        """For each cut that did harm, which."""
        self._tmp_path = tmp_path
        self._folders = 0

    async def go_on(self, **pragmas: str | int) -> None:
        """One more life: it is recorded whole, and cut afterwards."""
        rng = self.rng
        events = await self._record(**pragmas)
        end = rng.randrange(len(events))
        cuts = self._choose_cuts(events)
        disk, promises = self.disk, self.promises
        for index, event in enumerate(events):
            for _ in range(cuts[index]):
                await self._cut(event)
            if index == end:
                disk = self.disk.cut(rng) if rng.random() < 0.5 else deepcopy(self.disk)
                promises = deepcopy(self.promises)
            self.disk.follow(event, rng)
            self.promises.follow(event)
        self.disk, self.promises = disk, promises

    async def _record(self, **pragmas: str | int) -> list[Event]:
        """All that happens in one life, from the opening of the folder to its closing."""
        folder = self._folder()
        self.disk.write_to(folder)
        self.recorded.events.clear()
        # SQLite checkpoints after 1000 pages: here it shall do so in every life.
        pragmas = {"wal_autocheckpoint": self.rng.randrange(5, 60), **pragmas}
        store = await open_store(folder, **pragmas)
        await Life(self.recorded, store, self.rng).run()
        await store.close()
        return self.recorded.events.copy()

    def _choose_cuts(self, events: list[Event]) -> Counter[int]:
        """How often to cut before each event."""
        promises = deepcopy(self.promises)
        rare: dict[str, list[int]] = {}
        for index, event in enumerate(events):
            for each in self._under_way(promises, event) - {"commit"}:
                rare.setdefault(each, []).append(index)
            promises.follow(event)
        chosen = [self.rng.choice(indices) for _, indices in sorted(rare.items())]
        anywhere = [self.rng.randrange(len(events)) for _ in range(CUTS - len(chosen))]
        return Counter(chosen + anywhere)

    def _under_way(self, promises: Promises, event: Event) -> set[str]:
        is_checkpoint = event.kind == "write" and event.name == "syncroom.db"
        return promises.under_way() | ({"checkpoint"} if is_checkpoint else set())

    async def _cut(self, before: Event) -> None:
        self.cuts += 1
        self.under_way.update(self._under_way(self.promises, before))
        folder = self._folder()
        self.disk.cut(self.rng).write_to(folder)
        harm = await complaints(folder, self.promises)
        if harm:
            self.harm.append(harm)

    def _folder(self) -> Path:
        self._folders += 1
        return self._tmp_path / str(self._folders)


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_power_cut_loses_what_was_acknowledged_or_leaves_what_cannot_be_read(
    tmp_path: Path, seed: int
) -> None:
    history = History(tmp_path, seed)
    with history.recorded.in_place():
        for _ in range(LIVES):
            await history.go_on()

    assert history.harm == []
    assert history.cuts == LIVES * CUTS
    assert set(history.under_way) == {
        *("commit", "checkpoint", "creation", "compaction", "deletion", "item")
    }


async def test_commits_that_do_not_wait_for_the_disk_are_found_out(tmp_path: Path) -> None:
    history = History(tmp_path, seed=0)
    with history.recorded.in_place():
        for _ in range(LIVES):
            await history.go_on(synchronous="NORMAL")

    losses = [harm for harm in history.harm if any(each.startswith("lost:") for each in harm)]
    assert len(losses) > history.cuts / 5


async def test_what_is_read_back_after_a_kill_survives_a_power_cut_right_after(
    tmp_path: Path,
) -> None:
    history = History(tmp_path, seed=0)
    recorded, disk, rng = history.recorded, history.disk, history.rng
    with recorded.in_place():
        store = await open_store(tmp_path / "killed")
        store.append(ROOM, "0.md", INCARNATION, numbered(1))
        await store.flush()
        syncs = [index for index, event in enumerate(recorded.events) if event.kind == "sync"]
        for event in recorded.events[: syncs[-1]]:
            disk.follow(event, rng)
        await store.close()

        disk.write_to(tmp_path / "cut")
        recorded.events.clear()
        again = await open_store(tmp_path / "cut")
        stored = await again.load(ROOM, "0.md")
        for event in recorded.events:
            disk.follow(event, rng)
        await again.close()
        for number in range(20):
            disk.cut(rng).write_to(tmp_path / str(number))
            after = await open_store(tmp_path / str(number))

            assert stored is not None
            assert await after.load(ROOM, "0.md") == stored
            await after.close()
