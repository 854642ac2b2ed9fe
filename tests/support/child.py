"""pycrdt in a process of its own: what it can't survive ends that process, not the tests."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_READ = """
import json, sys, pycrdt
while size := sys.stdin.buffer.read(8):
    document = pycrdt.Doc()
    document.apply_update(sys.stdin.buffer.read(int.from_bytes(size, "big")))
    again = pycrdt.Doc()
    again.apply_update(document.get_update())
    print(json.dumps(str(again.get("text", type=pycrdt.Text))), flush=True)
"""

_SECONDS_MAX = 60


def read_texts(updates: Sequence[bytes]) -> list[str]:
    """The text that a server-side reader finds in each update, after storing it once more."""
    sent = b"".join(len(update).to_bytes(8, "big") + update for update in updates)
    child = subprocess.run(
        [sys.executable, "-c", _READ], input=sent, capture_output=True, timeout=_SECONDS_MAX
    )
    texts = [str(json.loads(line)) for line in child.stdout.splitlines()]
    why = f"ended with {child.returncode} at number {len(texts)}: {child.stderr.decode()}"
    assert child.returncode == 0, why
    return texts


def read_text(update: bytes) -> str:
    """The same, of one."""
    [text] = read_texts([update])
    return text
