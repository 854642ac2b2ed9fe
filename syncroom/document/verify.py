"""
Whether a compacted document is the same document, judged twice.

First the structs of both are compared unit by unit: what is deleted, and of the rest the origins,
the place and the content. Then the native library reads both, and what it shows has to be equal.

The second judgement is left out where that library does not read the original as Yjs does: what
begins or ends in the middle of a character leaves U+FFFD in Yjs, and a wrong character or an error
there. The same for an original that it can't read at all. The first one always holds. An original
that native code reads without end is left as it is: the process ends by a signal, SIGPROF.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from syncroom.document.content import find_roots, fingerprint
from syncroom.document.structs import NOTHING
from syncroom.protocol.update import ANY, STRING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncroom.document.structs import Place, Structs


def find_difference(old: Structs, new: Structs, native_cpu_s: float) -> str | None:
    """What is different in the compacted document, or None.

    For a process of its own: native code reads both, and ends it when that takes more processor
    time than is given.
    """
    difference = compare_structs(old, new)
    if difference is not None or old.cuts:
        return difference
    with _ended_after(native_cpu_s):
        return _find_native_difference(old, new)


def _find_native_difference(old: Structs, new: Structs) -> str | None:
    roots = find_roots(old)
    try:
        expected = fingerprint(old.data, roots)
    except BaseException:  # a native panic is no Exception
        return None
    try:
        found = fingerprint(new.data, roots)
    except BaseException:
        return "the native library reads the original only"
    return None if found == expected else "the native library shows something else"


@contextmanager
def _ended_after(cpu_s: float) -> Iterator[None]:
    """The signal of this timer ends the process, wherever it is: it is left at its default."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def compare_structs(old: Structs, new: Structs) -> str | None:
    """The first difference between two documents, unit by unit, or None."""
    if (old.clients, old.ends) != (new.clients, new.ends):
        return "the state vectors differ"
    if list(_dead(old)) != list(_dead(new)):
        return "the deleted units differ"
    at = to = first = 0
    while at < len(old.starts):
        first = max(first, old.starts[at])
        stop = min(old.stops[at], new.stops[to], old.border(first))
        reason = _compare_run(old, at, new, to, first, stop)
        if reason is not None:
            client, clock = old.unit(first)
            return f"{reason} of unit {clock} of client {client} differs"
        at += stop == old.stops[at]
        to += stop == new.stops[to]
        first = stop
    return None


def _dead(structs: Structs) -> Iterator[tuple[int, int]]:
    """What is deleted or lies in something deleted, in order and joined."""
    gone = (
        (first, stop)
        for at, (first, stop) in enumerate(zip(structs.starts, structs.stops, strict=True))
        if structs.is_gone(at)
    )
    start = end = NOTHING
    for first, stop in sorted([*zip(*structs.deleted, strict=True), *gone]):
        if first > end:
            if end != NOTHING:
                yield start, end
            start, end = first, stop
        end = max(end, stop)
    if end != NOTHING:
        yield start, end


def _compare_run(old: Structs, at: int, new: Structs, to: int, first: int, stop: int) -> str | None:
    """Compare units that are in one struct on either side, and all deleted or none."""
    if old.is_gone(at) or new.is_gone(to):
        return None if old.is_gone(at) and new.is_gone(to) else "the collection"
    if old.origin(at, first) != new.origin(to, first) or old.rights[at] != new.rights[to]:
        return "an origin"
    if _place(old, at) != _place(new, to):
        return "the place"
    if old.is_deleted(first):
        return None
    if old.kinds[at] != new.kinds[to]:
        return "the kind"
    if _content(old, at, first, stop) != _content(new, to, first, stop):
        return "the content"
    return None


def _place(structs: Structs, at: int) -> Place:
    return structs.places[structs.place[at]]


def _content(structs: Structs, at: int, first: int, stop: int) -> bytes:
    if structs.kinds[at] in (STRING, ANY):
        return structs.content(at, first, stop)
    return structs.data[structs.contents[at] : structs.limits[at]]
