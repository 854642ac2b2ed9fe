"""
What a view host runs: ``python -m syncroom.document.view``.

It reads and writes the content of documents with native code, one request after the other, each on
a document made from bytes for it alone. Memory is bounded for the process, processor time for each
request. Whatever native code does here, a panic or the end of the process among it, harms nobody
else: the server starts another one.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from syncroom.document import edits, plain, render
from syncroom.document.calls import LENGTH_BYTES, length, pack, unpack
from syncroom.document.json_patch import apply_patch
from syncroom.document.log import merge
from syncroom.document.mesh import MESH_DEPTH_MAX, MeshReader
from syncroom.document.mesh_edits import MeshEditor
from syncroom.document.mesh_schema import read_schema
from syncroom.document.opened import Opened, Unreadable
from syncroom.document.search import search
from syncroom.document.vet import find_unsound
from syncroom.errors import Damaged, LimitExceeded, Malformed, SyncroomError
from syncroom.protocol.value import check_json
from syncroom.protocol.varint import decode_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from syncroom.document.mesh_schema import MeshSchema

Request = dict[str, Any]

_STEPS_MAX = 1000
"""Updates that one change may be: each is examined and relayed by itself."""


def main() -> None:
    """Answer requests until there are no more. Argument: bytes of memory."""
    memory = int(sys.argv[1])
    with contextlib.suppress(ValueError, OSError):  # not every system knows this bound
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while (frame := _read(source)) is not None:
        request, data = unpack(frame)
        # The signal of this timer ends the process, wherever it is: it is left at its default.
        signal.setitimer(signal.ITIMER_PROF, request["cpu_s"])
        try:
            answer = _answer(request, data)
        except SyncroomError as error:
            answer = pack({"error": [error.code, str(error)]})
        except RecursionError:
            answer = pack({"error": [LimitExceeded.code, "the document is nested too deep"]})
        except (Unreadable, MemoryError) as error:
            answer = pack({"broken": str(error) or type(error).__name__})
        except Exception as error:
            answer = pack({"fault": _place(error)})
        except BaseException as error:  # a native panic is no Exception
            target.write(pack({"broken": type(error).__name__}))
            target.flush()
            sys.exit(1)
        signal.setitimer(signal.ITIMER_PROF, 0)
        target.write(answer)
        target.flush()


def _place(error: Exception) -> str:
    """What failed and where. Its message is left out, for it may quote content."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return f"{type(error).__name__} at {' '.join(places)}"


def _read(source: BinaryIO) -> bytes | None:
    head = source.read(LENGTH_BYTES)
    return source.read(length(head)) if len(head) == LENGTH_BYTES else None


def _answer(request: Request, data: bytes) -> bytes:
    if request["op"] == "vet":
        return _vet(request, data)
    try:
        opened = Opened(data, request["depth_max"])
    except Malformed as error:  # it was stored, and is not what the asker sent
        raise Damaged(f"the document can't be read: {error}") from None
    op = request["op"]
    if op in _EDITS:
        updates = _edit(opened, request)
        return pack({"value": list(map(len, updates))}, b"".join(updates))
    return pack({"value": _READS[op](opened, request)})


def _edit(opened: Opened, request: Request) -> list[bytes]:
    """The updates that a change comes to.

    MeshAgent SDKs follow one step after the other, but mistake places where one update takes an
    element away and does something behind it.
    """

    def change() -> None:
        _EDITS[request["op"]](opened, request)

    if "schema" in request and opened.kinds:
        updates = opened.edit_in_steps(change)
        return updates if len(updates) <= _STEPS_MAX else [merge(updates)]
    update = opened.edit(change)
    return [update] if update else []


def _vet(request: Request, data: bytes) -> bytes:
    """What is wrong with records; of sound ones also the whole document."""
    records: list[tuple[int, list[bytes]]] = []
    at = 0
    for seq, count in request["records"]:
        updates: list[bytes] = []
        for _ in range(count):
            update, at = decode_bytes(data, at)
            updates.append(update)
        records.append((seq, updates))
    found = find_unsound(records, request["depth_max"])
    if found:
        return pack({"value": found})
    return pack({"value": []}, merge([update for _, updates in records for update in updates]))


def _check(opened: Opened, _: Request) -> dict[str, float]:
    plain.content(opened)
    return {"left_s": signal.getitimer(signal.ITIMER_PROF)[0], "peak_bytes": _peak_bytes()}


def _peak_bytes() -> int:
    """The most memory that this process had. Linux counts its parent's in ``ru_maxrss``."""
    with contextlib.suppress(OSError):
        status = dict(
            line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
        )
        return int(status["VmHWM"].split()[0]) << 10
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss << (0 if sys.platform == "darwin" else 10)


def _types(opened: Opened, _: Request) -> dict[str, str]:
    return {name: plain.KINDS[kind] for name, kind in sorted(opened.kinds.items())}


def _schema(request: Request) -> MeshSchema | None:
    given = request.get("schema")
    return None if given is None else read_schema(given)


def _content(opened: Opened, request: Request) -> Any:
    schema = _schema(request)
    return plain.content(opened) if schema is None else MeshReader(schema).document(opened)


def _mesh(opened: Opened, request: Request) -> dict[str, Any]:
    reader = MeshReader(read_schema(request["schema"]), with_ids=request.get("with_ids", False))
    with opened.doc.transaction():
        return {"json": reader.document(opened), "left_out": reader.left_out}


def _set_json(opened: Opened, request: Request) -> None:
    _set_content(opened, request, check_json(request["content"], _depth_max(request)))


def _set_text(opened: Opened, request: Request) -> None:
    if "schema" in request:
        raise Malformed("the document follows a schema: write it as JSON")
    edits.set_root_text(opened, request["root"], request["content"])


def _patch(opened: Opened, request: Request) -> None:
    patch = check_json(request["content"], _depth_max(request))
    _set_content(opened, request, apply_patch(_content(opened, request), patch))


def _set_content(opened: Opened, request: Request, target: object) -> None:
    schema = _schema(request)
    if schema is None:
        edits.set_content(opened, target)
    else:
        MeshEditor(schema, lambda: str(uuid4())).set_document(opened, target)


def _depth_max(request: Request) -> int:
    return MESH_DEPTH_MAX if "schema" in request else int(request["depth_max"])


_READS: dict[str, Callable[[Opened, Request], Any]] = {
    "check": _check,
    "types": _types,
    "json": lambda opened, _: plain.content(opened),
    "text": lambda opened, request: render.text(opened, request["root"]),
    "markdown": lambda opened, request: render.markdown(opened, request["root"]),
    "xml": lambda opened, request: render.xml(opened, request["root"]),
    "mesh": _mesh,
    "search": lambda opened, request: search(
        _content(opened, request), request["query"], request["is_regex"]
    ),
}

_EDITS: dict[str, Callable[[Opened, Request], None]] = {
    "set_json": _set_json,
    "set_text": _set_text,
    "patch": _patch,
}

if __name__ == "__main__":
    main()
