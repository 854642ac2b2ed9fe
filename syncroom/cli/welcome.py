"""The document that the demo room begins with."""

from __future__ import annotations

DEMO_ROOM = "demo"

DEMO_PATH = "welcome.md"

_TEXT = """\
# Welcome

This document is shared. Open Ann's link in a second window and type in both.

- Everybody sees every keystroke, and who is here, at once.
- What you type is on disk before the page says that it is saved.
- Stop the server, start it again: everything is still there.
- Ben's link opens the same document, and may only read it.

Any editor with a y-websocket provider can open it too.
"""


def demo_content(room: str, path: str) -> str | None:
    """What new documents of the demo begin with."""
    return _TEXT if (room, path) == (DEMO_ROOM, DEMO_PATH) else None
