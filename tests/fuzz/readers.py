"""What pycrdt and Yjs read in a document, and whether it is the same."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.support import wire

if TYPE_CHECKING:
    from tests.support.node import NodeDriver

SECONDS_MAX = 60

_READ = """
import base64, json, math, sys
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText
from syncroom.document.opened import Opened
from syncroom.document.plain import KINDS

def plain(value):
    if isinstance(value, (Text, XmlText)):
        return "".join(part if isinstance(part, str) else "\\ufffc" for part, _ in value.diff())
    if isinstance(value, XmlElement):
        return {"tag": value.tag, "children": [plain(each) for each in value.children]}
    if isinstance(value, XmlFragment):
        return [plain(each) for each in value.children]
    if isinstance(value, (Map, dict)):
        return {name: plain(value[name]) for name in value.keys()}
    if isinstance(value, (Array, list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Doc):
        return {"document": value.guid}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

opened = Opened(sys.stdin.buffer.read(), 64)
with opened.doc.transaction():
    content = {name: plain(opened.root(name)) for name in opened.kinds}
kinds = {name: KINDS[kind] for name, kind in opened.kinds.items()}
print(json.dumps({"kinds": kinds, "content": content, "vector": opened.doc.get_state().hex()}))
"""


async def agree(update: bytes, node: NodeDriver, honest: str) -> int:
    """Both load an update, to the same content, with what the honest writer wrote in it.

    Returns how many clients wrote in it.
    """
    by_pycrdt = await asyncio.to_thread(_read, update)
    by_yjs = await node.plain(update, by_pycrdt["kinds"])
    assert not by_yjs["pending"]
    clocks = wire.state_vector(bytes.fromhex(by_pycrdt["vector"]))
    assert by_yjs["vector"] == {str(client): clock for client, clock in clocks.items()}
    for name, content in by_pycrdt["content"].items():
        theirs = by_yjs["content"][name]
        assert _is_same(content, theirs), f"{name!r}: {content}, in Yjs {theirs}"
    assert honest in by_yjs["content"]["text"]
    return len(clocks)


def _is_same(by_pycrdt: Any, by_yjs: Any) -> bool:
    if by_yjs == {"mixed": True}:  # XML with other things in it: each reads what it expects
        return True
    if isinstance(by_pycrdt, dict) and isinstance(by_yjs, dict):
        return by_pycrdt.keys() == by_yjs.keys() and all(
            _is_same(value, by_yjs[name]) for name, value in by_pycrdt.items()
        )
    if isinstance(by_pycrdt, list) and isinstance(by_yjs, list):
        return len(by_pycrdt) == len(by_yjs) and all(map(_is_same, by_pycrdt, by_yjs))
    is_number = isinstance(by_pycrdt, bool) == isinstance(by_yjs, bool)
    return bool(is_number and by_pycrdt == by_yjs)


def _read(update: bytes) -> dict[str, Any]:
    """pycrdt runs in a process of its own: what it can't survive ends that, not the tests."""
    child = subprocess.run(
        [sys.executable, "-c", _READ], input=update, capture_output=True, timeout=SECONDS_MAX
    )
    assert child.returncode == 0, f"ended with {child.returncode}: {child.stderr.decode()[-2000:]}"
    found: dict[str, Any] = json.loads(child.stdout)
    return found
