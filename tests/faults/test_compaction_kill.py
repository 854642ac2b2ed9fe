"""``kill -9`` while a store compacts: the old generation or the new one, never neither."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest

from syncroom.store.sqlite import SqliteStore
from tests.store.appender import numbered
from tests.store.compacting import NAME, base_of, trace_of

ROUNDS = 200 if "SYNCROOM_NIGHTLY" in os.environ else 8


async def _run_and_kill(folder: Path, seed: int, acknowledgements: int) -> dict[str, int]:
    """Let the process run for so many acknowledgements, kill it; the last number of each kind."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.store.compacting", str(folder), str(seed)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    last = {"seq": 0, "base": 0}
    heard = 0
    async for line in process.stdout:
        kind, number = line.split()
        last[kind.decode()] = int(number)
        heard += 1
        if heard == acknowledgements:
            process.kill()
    await process.wait()
    return last


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(2))
async def test_what_was_acknowledged_is_there_in_one_generation_or_the_next(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    for _ in range(ROUNDS // 2):
        last = await _run_and_kill(tmp_path, rng.randrange(2**32), rng.randrange(1, 120))

        store = SqliteStore(tmp_path, commit_pause_s=0.0)
        await store.open()
        stored = await store.load(*NAME)
        traces = await store.traces(*NAME)
        await store.close()

        assert stored is not None
        assert stored.last_seq >= last["seq"]
        assert stored.base_seq >= last["base"]
        assert stored.base == (base_of(stored.base_seq) if stored.base_seq else b"")
        numbers = range(stored.base_seq + 1, stored.last_seq + 1)
        assert list(stored.records) == [numbered(number) for number in numbers]
        assert traces == [trace_of(number) for number in range(1, stored.base_seq + 1)]
