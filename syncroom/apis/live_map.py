"""
What an API shows of its state: a map or a list of JSON values that clients watch as a document.

It is made when somebody first watches it, and dropped with its last reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from syncroom.document.maps import ListDocument, MapDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Entries = Callable[[], Mapping[str, dict[str, object]]]


class LiveMap:
    """A map that clients watch.

    Args:
        path: where the document lies; the map in it bears the last name of the path.
        entries: what is in it now, asked for when somebody begins to watch.
        load: begins to read what is not known yet, and sets it once it is.
    """

    document_class: ClassVar[Any] = MapDocument

    def __init__(
        self, path: str, entries: Entries, load: Callable[[], object] | None = None
    ) -> None:
        self.path = path
        self._entries = entries
        self._load = load
        self._document: MapDocument | None = None

    def watch(self, document: MapDocument) -> None:
        """Keep a document up to date from now on."""
        document.open_map(self.path.rpartition("/")[2])
        self._document = document
        for key, value in self._entries().items():
            document.set(key, value)
        if self._load is not None:
            self._load()

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


class LiveList:
    """A list that clients watch.

    Args:
        path: where the document lies; the list in it bears the last name of the path.
        items: what is in it now, asked for when somebody begins to watch.
    """

    document_class: ClassVar[Any] = ListDocument

    def __init__(self, path: str, items: Callable[[], Iterable[dict[str, object]]]) -> None:
        self.path = path
        self._items = items
        self._document: ListDocument | None = None

    def watch(self, document: ListDocument) -> None:
        """Keep a document up to date from now on."""
        document.open_list(self.path.rpartition("/")[2])
        self._document = document
        for item in self._items():
            document.append(item)

    def unwatch(self) -> None:
        """Let go of the document."""
        self._document = None

    def append(self, item: dict[str, object], dropped: int) -> None:
        """Put an item at the end, and take so many out at the beginning, if somebody watches."""
        if self._document is not None:
            self._document.append(item, dropped)
