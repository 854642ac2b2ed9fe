"""
What an API shows of its state: a map of JSON values that clients watch as a document.

It is made when somebody first watches it, and dropped with its last reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncroom.document.maps import MapDocument

    Entries = Callable[[], Mapping[str, dict[str, object]]]


class LiveMap:
    """One such map.

    Args:
        path: where the document lies; the map in it bears the last name of the path.
        entries: what is in it now, asked for when somebody begins to watch.
    """

    def __init__(self, path: str, entries: Entries) -> None:
        self.path = path
        self._entries = entries
        self._document: MapDocument | None = None

    def watch(self, document: MapDocument) -> None:
        """Keep a document up to date from now on."""
        document.open_map(self.path.rpartition("/")[2])
        self._document = document
        for key, value in self._entries().items():
            document.set(key, value)

    def unwatch(self) -> None:
        """Let go of the document."""
        self._document = None

    def set(self, key: str, value: dict[str, object]) -> None:
        """Put a value under a key, where somebody watches."""
        if self._document is not None:
            self._document.set(key, value)

    def remove(self, key: str) -> None:
        """Take a key out, where somebody watches."""
        if self._document is not None:
            self._document.remove(key)
