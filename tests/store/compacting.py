"""A process to be killed: it appends numbered records, compacts them, and says what is on disk."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from functools import partial
from pathlib import Path

from syncroom.store.base import Generation, Trace
from syncroom.store.sqlite import SqliteStore
from syncroom.store.traces import encode_traces
from tests.store.appender import INCARNATION, numbered

NAME = ("demo", "notes.md")


def base_of(upto: int) -> bytes:
    """Some of them fill many pages of the file."""
    return f"base {upto} ".encode() * (20_000 if upto % 3 else 1)


def trace_of(number: int) -> Trace:
    return Trace(number, "ada", ((number, 0, 1),), ())


async def append_and_compact_for_ever(folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    store = SqliteStore(folder, commit_pause_s=0.0)
    await store.open()

    def acknowledge(kind: str, number: int) -> None:
        os.write(sys.stdout.fileno(), f"{kind} {number}\n".encode())

    while True:
        stored = await store.load(*NAME)
        after, last = (stored.base_seq, stored.last_seq) if stored else (0, 0)
        count = rng.randrange(1, 30)
        for number in range(last + 1, last + count + 1):
            store.append(*NAME, INCARNATION, numbered(number), partial(acknowledge, "seq", number))
        await store.flush()
        upto = rng.randrange(last, last + count) + 1
        traces = encode_traces([trace_of(number) for number in range(after + 1, upto + 1)])
        generation = Generation(after, upto, base_of(upto), traces)
        compacting = asyncio.create_task(store.replace(*NAME, INCARNATION, generation))
        number = last + count + 1
        store.append(*NAME, INCARNATION, numbered(number), partial(acknowledge, "seq", number))
        assert await compacting
        acknowledge("base", upto)


if __name__ == "__main__":
    asyncio.run(append_and_compact_for_ever(Path(sys.argv[1]), int(sys.argv[2])))
