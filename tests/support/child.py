"""pycrdt in a process of its own: what it can't survive ends that process, not the tests."""

from __future__ import annotations

import subprocess
import sys

_READ = """
import sys, pycrdt
document = pycrdt.Doc()
document.apply_update(sys.stdin.buffer.read())
again = pycrdt.Doc()
again.apply_update(document.get_update())
sys.stdout.buffer.write(str(again.get("text", type=pycrdt.Text)).encode())
"""

_SECONDS_MAX = 60


def read_text(update: bytes) -> str:
    """The text that a server-side reader finds in an update, after storing it once more."""
    child = subprocess.run(
        [sys.executable, "-c", _READ], input=update, capture_output=True, timeout=_SECONDS_MAX
    )
    assert child.returncode == 0, f"ended with {child.returncode}: {child.stderr.decode()}"
    return child.stdout.decode()
