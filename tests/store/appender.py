"""A process to be killed: it appends numbered records and prints the number of each durable one."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from functools import partial
from pathlib import Path

from syncroom.store.base import Record
from syncroom.store.sqlite import SqliteStore

INCARNATION = "0123456789abcdef0123456789abcdef"
DOCUMENTS = 3
WAITING_MAX = 200


def numbered(number: int) -> Record:
    """Some of them fill several pages of the file."""
    size = 9000 if number % 50 == 0 else 20
    return Record(number, "ada", (number,), (f"{number}:".encode() + b"x" * size,))


async def append_for_ever(folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    store = SqliteStore(folder, commit_pause_s=0.0)
    await store.open()
    next_numbers = []
    for document in range(DOCUMENTS):
        stored = await store.load("demo", f"{document}.md")
        next_numbers.append(0 if stored is None else len(stored.records))
    waiting = 0
    progress = asyncio.Event()

    def acknowledge(document: int, number: int) -> None:
        nonlocal waiting
        waiting -= 1
        progress.set()
        os.write(sys.stdout.fileno(), f"{document} {number}\n".encode())

    while True:
        while waiting == 0 or (waiting < WAITING_MAX and rng.random() < 0.9):
            document = rng.randrange(DOCUMENTS)
            number = next_numbers[document]
            next_numbers[document] += 1
            waiting += 1
            durable = partial(acknowledge, document, number)
            store.append("demo", f"{document}.md", INCARNATION, numbered(number), durable)
        await progress.wait()
        progress.clear()


if __name__ == "__main__":
    asyncio.run(append_for_ever(Path(sys.argv[1]), int(sys.argv[2])))
