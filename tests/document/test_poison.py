"""
No accepted update makes a document that cannot be loaded: mutations that pass the vet and the gate
are merged with an honest document, and the result is loaded by native code and stored once more.
"""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING

import pytest

from syncroom.document.log import merge
from syncroom.document.state import DocumentState
from syncroom.errors import Malformed
from syncroom.protocol.update import read_update
from tests.protocol import native
from tests.protocol.honest import MEET, WORDS, Session, play

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH = 64
MUTATIONS = 12_000


def _session(rng: random.Random) -> Session:
    """Without words that hold an emoji: a mutation may delete half of one, and then pycrdt's own
    document, not the bytes, is encoded wrongly. The log never goes that way."""
    values = [value for value in range(99) if WORDS[value % len(WORDS)].isascii()]
    script = [
        (rng.randrange(2), rng.randrange(MEET + 2), rng.randrange(99), rng.choice(values))
        for _ in range(60)
    ]
    return play(script)


def _mutated(session: Session, rng: random.Random) -> Iterator[bytes]:
    """Changes of the second replica with some bytes wrong, under its own or the first one's id."""
    changes = [data for data in session.replicas[1].made if len(data) < 200]
    for _ in range(MUTATIONS):
        data = bytearray(rng.choice(changes))
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            at = rng.randrange(len(data))
            data[at] = rng.choice([0, 1, 4, 5, data[at] ^ 1, data[at] ^ 128, rng.randrange(256)])
        yield bytes(data)


@pytest.mark.parametrize("seed", range(3))
def test_an_honest_document_with_an_accepted_mutation_loads(seed: int) -> None:
    rng = random.Random(seed)
    session = _session(rng)
    before: list[tuple[bytes, DocumentState]] = []
    log: list[bytes] = []
    state = DocumentState()
    for replica in session.replicas:
        for data in replica.made:
            update = read_update(data, DEPTH)
            if state.gap(update) is None and (new := state.new_part(update, DEPTH)) is not None:
                state.apply(new)
                log.append(new.data)
                before.append((merge(log), copy.deepcopy(state)))
    poisoned: list[bytes] = []
    clocks: list[dict[int, int]] = []
    for data in _mutated(session, rng):
        merged, known = rng.choice(before)
        known = copy.deepcopy(known)
        try:
            update = read_update(data, DEPTH)
            new = None if known.gap(update) is not None else known.new_part(update, DEPTH)
        except Malformed:
            continue
        if new is not None:
            known.apply(new)
            poisoned.append(merge([merged, new.data]))
            clocks.append(known.clocks)

    reports = native.load(poisoned)

    assert len(poisoned) > 50
    for data, reached, report in zip(poisoned, clocks, reports, strict=True):
        assert not report.panics and not report.errors, data.hex()
        assert report.vector == reached, data.hex()
