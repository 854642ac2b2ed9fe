"""
The history of a long document: some 260,000 edits of one writer, always the same ones.

Nobody's text, but shaped like the typing of a paper: letters in runs, corrections by backspace,
and every now and then a jump to another place. 70 % of the edits insert one character and 30 %
delete one, which leaves about 105,000 characters.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from pycrdt import Doc, Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EDITS = 260_000
STALE_EDITS = 2_000
_SEED = 20
_CLIENT = 1
_RUN_LENGTH_MEAN = 36
_JUMP_FAR_SHARE = 0.2
_LETTERS = "etaoin shrdlu cmfwyp vbgkqjxz,.\n"
_EDITS_AT_ONCE = 500
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """A document after its edits, and what a client holds that missed the last 2,000."""

    update: bytes
    stale_update: bytes
    stale_vector: bytes


def text_of(*updates: bytes) -> str:
    """The text that updates make together."""
    document: Doc[Text] = Doc({"text": Text()})
    for update in updates:
        document.apply_update(update)
    return str(document["text"])


def load_trace(folder: Path) -> Trace:
    """Make the trace, or read what was made before."""
    files = [folder / f"trace-{_VERSION}-{part}" for part in ("update", "stale")]
    if not all(file.is_file() for file in files):
        folder.mkdir(parents=True, exist_ok=True)
        for file, update in zip(files, _write(), strict=True):
            file.write_bytes(update)
    update, stale_update = (file.read_bytes() for file in files)
    stale: Doc[Text] = Doc()
    stale.apply_update(stale_update)
    return Trace(update, stale_update, stale.get_state())


def _write() -> tuple[bytes, bytes]:
    document: Doc[Text] = Doc({"text": Text()}, client_id=_CLIENT)
    text = document["text"]
    stale = b""
    edits = _edits(random.Random(_SEED))
    for number in range(0, EDITS, _EDITS_AT_ONCE):
        if number == EDITS - STALE_EDITS:
            stale = document.get_update()
        with document.transaction():
            for position, letter in islice(edits, _EDITS_AT_ONCE):
                if letter:
                    text.insert(position, letter)
                else:
                    del text[position]
    return document.get_update(), stale


def _edits(rng: random.Random) -> Iterator[tuple[int, str]]:
    """Positions, and the letter that is inserted there, or nothing where one is deleted."""
    length = cursor = number = 0
    while number < EDITS:
        if rng.random() < _JUMP_FAR_SHARE:
            cursor = rng.randint(0, length)
        else:
            cursor = min(max(0, cursor + rng.randint(-40, 60)), length)
        is_deletion = rng.random() < 0.3
        for _ in range(1 + int(rng.expovariate(1 / _RUN_LENGTH_MEAN))):
            if is_deletion and cursor > 0:
                cursor -= 1
                length -= 1
                yield cursor, ""
            else:
                yield cursor, rng.choice(_LETTERS)
                cursor += 1
                length += 1
            number += 1
