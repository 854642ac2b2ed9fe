"""
Honest updates with one thing changed: each is refused, or native code survives it and reads in it
what the vet read.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from syncroom.errors import Malformed
from syncroom.protocol.update import read_update
from tests.protocol import craft, native
from tests.protocol.honest import MEET, play, yjs_session
from tests.protocol.test_update import ACCEPTED, REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syncroom.protocol.update import Update

DEPTH = 64
BYTES_MAX = 150
"""Longer updates have more of the same in them."""


def _honest(seed: int, count: int) -> list[bytes]:
    rng = random.Random(seed)
    script = [
        (rng.randrange(3), rng.randrange(MEET + 2), rng.randrange(99), rng.randrange(99))
        for _ in range(60)
    ]
    session = play(script)
    crafted = [
        craft.update(craft.section(5, 0, struct, craft.gc(2)), deletes={5: [(0, 1), (2, 1)]})
        for struct in ACCEPTED.values()
    ]
    yjs = yjs_session()
    written = [*session.updates, *session.diffs, *yjs.updates, *yjs.diffs]
    short = sorted({data for data in written if len(data) <= BYTES_MAX})
    return [*crafted, *rng.sample(short, count)]


def _mutations(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """Each byte replaced, left out, doubled, lengthened; each end cut off."""
    for at, byte in enumerate(data):
        yield data[:at]
        yield data[:at] + data[at + 1 :]
        yield data[: at + 1] + data[at:]
        yield data[:at] + bytes([byte | 128, 0]) + data[at + 1 :]
        for other in {0, 1, byte ^ 1, byte ^ 128, (byte + 1) % 256, 127, 255, rng.randrange(256)}:
            if other != byte:
                yield data[:at] + bytes([other]) + data[at + 1 :]


def _accepted(mutated: Iterable[bytes]) -> list[Update]:
    accepted = []
    for data in mutated:
        try:
            accepted.append(read_update(data, DEPTH))
        except Malformed:
            continue
    return accepted


@pytest.mark.parametrize("seed", range(3))
def test_what_passes_the_vet_is_read_alike_by_native_code(seed: int) -> None:
    rng = random.Random(seed)
    accepted = _accepted(mutated for data in _honest(seed, 25) for mutated in _mutations(data, rng))

    reports = native.survey([update.data for update in accepted])

    assert len(accepted) > 1000
    for update, report in zip(accepted, reports, strict=True):
        assert not report.panics, update.data.hex()
        assert not report.errors, update.data.hex()
        if all(not section.first for section in update.sections) and not _skips(update):
            ends = {section.client: section.end for section in update.sections}
            assert report.vector == ends, update.data.hex()


def _skips(update: Update) -> bool:
    return any(
        client == section.client and unit >= before
        for section in update.sections
        for before, client, unit in section.needs
    )


def test_native_code_chokes_on_what_is_refused_for_a_reason() -> None:
    """Else the vet could do without: this shows that the children above would have noticed."""
    refused = ["xml hook", "type of a kind in two bytes", "embed not json", "half a pair"]
    data = [craft.update(craft.section(5, 0, REFUSED[name], craft.gc(1))) for name in refused]

    reports = native.survey(data)

    assert all(report.errors for report in reports)
