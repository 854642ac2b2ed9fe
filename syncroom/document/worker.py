"""
Compacts one document and verifies the result, in a process of its own that ends with it:
``python -m syncroom.document.worker``, a pickled `Job` on its standard input, the result on its
standard output.

Native code reads the document here. It may take memory and time without end or fall over; then the
process is gone, and the document stays as it was. The process has no secrets, no socket, no file.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncroom.document.compact import compact
from syncroom.document.log import merge
from syncroom.document.structs import Structs
from syncroom.document.verify import find_difference
from syncroom.errors import Malformed
from syncroom.protocol import varint
from syncroom.protocol.update import read_update
from syncroom.store.base import Trace
from syncroom.store.traces import encode_traces

if TYPE_CHECKING:
    from syncroom.limits import Limits
    from syncroom.store.base import StoredDocument

_NICENESS = 10
"""Whoever edits comes first."""

_DONE, _NOT_DONE = b"\0", b"\1"


@dataclass(frozen=True, slots=True)
class Job:
    """A document to compact, and what that may cost."""

    base: bytes
    records: list[tuple[int, str, tuple[bytes, ...]]]
    """Time, participant, updates. Pickling bare tuples takes a tenth of the time, and while it
    lasts the server stands still."""
    value_depth_max: int
    cpu_s_max: int
    check_cpu_s: float
    """For native code, and as much again for each MiB."""
    memory_bytes_max: int

    @staticmethod
    def of(stored: StoredDocument, limits: Limits) -> Job:
        """The job for a document as it was read back."""
        return Job(
            stored.base,
            [(each.time_ms, each.participant, each.updates) for each in stored.records],
            limits.value_depth_max,
            limits.compaction_cpu_s_max,
            limits.compaction_check_cpu_s,
            limits.compaction_memory_bytes_max,
        )


@dataclass(frozen=True, slots=True)
class Compacted:
    """A base that was verified, and the traces of the records it stands for."""

    base: bytes
    traces: bytes


def work(job: Job) -> Compacted | str:
    """The compacted document, or why there is none."""
    try:
        updates = [update for *_, each in job.records for update in each]
        whole = merge([job.base, *updates] if job.base else updates)
        update = read_update(whole, job.value_depth_max)
        base = compact(update)
        again = read_update(base, job.value_depth_max)
        native_cpu_s = job.check_cpu_s * (1 + len(whole) / (1 << 20))
        difference = find_difference(Structs(update), Structs(again), native_cpu_s)
        if difference is not None:
            return difference
        traces = [_trace(*record, job.value_depth_max) for record in job.records]
        return Compacted(base, encode_traces(traces))
    except Malformed as error:
        return str(error)


def decode_result(data: bytes) -> Compacted | str:
    """What `work` returned, from the bytes that the process wrote; raises `Malformed`."""
    if data[:1] == _DONE:
        base, at = varint.decode_bytes(data, 1)
        return Compacted(base, data[at:])
    if data[:1] == _NOT_DONE:
        return data[1:].decode(errors="replace")
    raise Malformed("the process that compacts ended without a result")


def _encode_result(result: Compacted | str) -> bytes:
    if isinstance(result, str):
        return _NOT_DONE + result.encode()
    return _DONE + varint.encode_bytes(result.base) + result.traces


def _trace(time_ms: int, participant: str, data: tuple[bytes, ...], depth_max: int) -> Trace:
    updates = [read_update(update, depth_max) for update in data]
    return Trace(
        time_ms,
        participant,
        tuple((each.client, each.first, each.end) for one in updates for each in one.sections),
        tuple(deleted for one in updates for deleted in one.deletes),
    )


def _main() -> None:
    # Written by the server that started this process, and by nobody else.
    job: Job = pickle.load(sys.stdin.buffer)
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (job.cpu_s_max, job.cpu_s_max))
    resource.setrlimit(resource.RLIMIT_AS, (job.memory_bytes_max, job.memory_bytes_max))
    sys.stdout.buffer.write(_encode_result(work(job)))


if __name__ == "__main__":
    _main()
