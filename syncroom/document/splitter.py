"""
Takes one large update apart, in a process of its own that ends with it:
``python -m syncroom.document.splitter``, what is asked for on its standard input, one part after
the other on its standard output.

It reads the update whole before the first part leaves, so what is not valid is refused whole. It
is Python alone, no native code looks at the bytes here, so what it says of them is believed.
"""

from __future__ import annotations

import gc
import marshal
import os
import resource
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from syncroom.document.calls import LENGTH_BYTES, pack, unpack
from syncroom.document.split import split
from syncroom.errors import SyncroomError
from syncroom.protocol.update import Section, Update, read_update

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_NICENESS = 10
"""Whoever edits comes first."""

END, ERROR, SPENT = "end", "error", "spent"
"""What the header of the last frame holds: all is done, what is wrong, there is too little memory.
Every other frame is a part."""


def encode_part(update: Update) -> bytes:
    """A vetted update with all that is known of it."""
    sections = [(each.client, each.clocks, each.offsets, each.needs) for each in update.sections]
    known = update.deletes, update.deletes_at, update.gone, update.types, update.parents
    return marshal.dumps((update.data, sections, *known, update.places))


def decode_part(data: bytes) -> Update:
    """The same again."""
    update, sections, *known = marshal.loads(data)
    return Update(update, [Section(*each) for each in sections], *known)


def _parts(request: dict[str, Any], data: bytes) -> Iterator[bytes]:
    update = read_update(data, request["depth_max"])
    for part in split(update, request["parts_max"], request["bytes_max"]):
        yield encode_part(read_update(part, request["depth_max"]))


def _main() -> None:
    request, data = unpack(sys.stdin.buffer.read()[LENGTH_BYTES:])
    os.nice(_NICENESS)
    gc.disable()  # nothing here is in a cycle, and looking for some takes half of the time
    cpu_s, memory_bytes = request["cpu_s"], request["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    with suppress(ValueError, OSError):  # not every system knows this bound
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    target = sys.stdout.buffer
    last: dict[str, Any] = {END: True}
    try:
        for part in _parts(request, data):
            target.write(pack({}, part))
            target.flush()
    except SyncroomError as error:
        last = {ERROR: [error.code, str(error)]}
    except MemoryError:
        last = {SPENT: True}
    target.write(pack(last))


if __name__ == "__main__":
    _main()
