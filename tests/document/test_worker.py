"""The process that compacts: what it returns, and that its limits end it."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from syncroom.document.worker import Compacted, Job, decode_result, work
from syncroom.errors import Malformed
from syncroom.limits import Limits
from syncroom.protocol.update import read_update
from syncroom.store.base import Record, StoredDocument, Trace
from syncroom.store.traces import decode_traces
from tests.protocol import craft
from tests.support import wire

HELLO = craft.update(craft.section(1, 0, craft.string("hello")))
WORLD = craft.update(craft.section(1, 5, craft.behind(4, wire.string(" world"), (1, 4))))
GONE = craft.update(deletes={1: [(0, 6)]})


def job(*updates: bytes, base: bytes = b"", cpu_s: int = 20, memory: int = 1 << 30) -> Job:
    records = [Record(100 + at, "ann", (), (update,)) for at, update in enumerate(updates)]
    stored = StoredDocument("0" * 32, tuple(records), base, 7 if base else 0)
    limits = Limits(compaction_cpu_s_max=cpu_s, compaction_memory_bytes_max=memory)
    return Job.of(stored, limits)


def run(order: Job) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "syncroom.document.worker"]
    return subprocess.run(command, input=pickle.dumps(order), capture_output=True)


def test_it_joins_the_base_and_the_records_and_notes_who_did_what() -> None:
    result = work(job(WORLD, GONE, base=HELLO))

    assert isinstance(result, Compacted)
    assert len(read_update(result.base, 64).sections[0].clocks) == 3
    assert decode_traces(result.traces) == [
        Trace(100, "ann", ((1, 5, 11),), ()),
        Trace(101, "ann", (), ((1, 0, 6),)),
    ]


def test_the_process_returns_what_the_function_does() -> None:
    done = run(job(HELLO, WORLD, GONE))

    assert decode_result(done.stdout) == work(job(HELLO, WORLD, GONE))


@pytest.mark.parametrize("update", [b"\1\1", craft.update(craft.section(1, 3, craft.string("a")))])
def test_a_document_that_is_not_whole_is_answered_with_the_reason(update: bytes) -> None:
    done = run(job(update))

    assert done.returncode == 0
    assert decode_result(done.stdout) == work(job(update))
    assert isinstance(work(job(update)), str)


def test_a_process_out_of_time_ends_without_a_result() -> None:
    units = craft.update(*(craft.section(at, 0, craft.string("a")) for at in range(20_000)))

    done = run(job(*[units] * 20, cpu_s=1))

    assert done.returncode < 0
    with pytest.raises(Malformed):
        decode_result(done.stdout)


def test_a_process_out_of_memory_ends_without_a_result() -> None:
    done = run(job(HELLO, WORLD, memory=1 << 20))

    assert done.returncode != 0
    with pytest.raises(Malformed):
        decode_result(done.stdout)


@pytest.mark.parametrize("data", [b"", b"\2", b"\0\5ab"])
def test_a_result_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_result(data)
