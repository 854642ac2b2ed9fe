"""
Documents that only the server writes: a map or a list of plain JSON values each.

They hold no foreign bytes, so each lives as a `pycrdt.Doc` in this process. What it changes takes
the same path as everybody's updates; what is past is dropped from time to time.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pycrdt import Array, Doc, Map, TransactionEvent, merge_updates

from syncroom.document.document import Document
from syncroom.document.log import UpdateLog
from syncroom.protocol import state_vector
from syncroom.protocol.update import encode_delete_set, read_update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.document.peer import Wire

_CHANGES_MAX = 1000
"""After so many, what was overwritten and deleted is dropped: such a document changes for ever."""

_INTEGER_MAX = 2**53 - 1
"""Larger ones are floats in JavaScript. The native encoder panics where they take 64 bits, as it
does at half of a surrogate pair."""


class _OwnDocument(Document):
    """A document that peers read and the server writes."""

    _doc: Doc[Any]
    _subscription: object
    _changes: int

    def answer(self, wire: Wire, vector: bytes, held: Mapping[int, int] | None = None) -> bytes:
        """As for every document; and what a reader keeps of earlier lives of it is deleted.

        The document begins anew with each server. A reader that stayed would otherwise merge the
        entries of its last life into those of this one.
        """
        held = state_vector.decode(vector) if held is None else held
        stale = [
            (client, 0, clock)
            for client, clock in held.items()
            if clock and client not in self._state.clocks
        ]
        if not stale:
            return super().answer(wire, vector, held)
        self.flush()
        deletion = b"\0" + encode_delete_set(stale)
        return wire.answer(merge_updates(self._log.since(vector, held), deletion))

    def flush(self) -> None:
        """As for every document; now and then with an end to what is past."""
        super().flush()
        if self._changes > _CHANGES_MAX:
            self._changes = 0
            depth_max = self._limits.value_depth_max
            self._log = UpdateLog(read_update(self._doc.get_update(), depth_max))

    def _begin(self) -> Doc[Any]:
        # of two entries under one name readers keep that of the higher client id: the later life's
        self._doc = Doc(client_id=self._now_ms() << 10 | secrets.randbits(10))
        self._changes = 0
        self._subscription = self._doc.observe(self._publish_change)
        return self._doc

    def _publish_change(self, event: TransactionEvent) -> None:
        self._changes += 1
        self.publish(event.update)


class MapDocument(_OwnDocument):
    """A document with one root map."""

    def open_map(self, root: str) -> None:
        """Name the map; to be called once."""
        self._map = self._begin().get(root, type=Map)

    def set(self, key: str, value: dict[str, object]) -> None:
        """Put a JSON value under a key."""
        self._map[key] = _storable(value)

    def remove(self, key: str) -> None:
        """Take a key out of the map."""
        del self._map[key]


class ListDocument(_OwnDocument):
    """A document with one root list."""

    def open_list(self, root: str) -> None:
        """Name the list; to be called once."""
        self._list = self._begin().get(root, type=Array)

    def append(self, value: dict[str, object], dropped: int = 0) -> None:
        """Put a JSON value at the end, and take so many out at the beginning."""
        with self._doc.transaction():
            self._list.append(_storable(value))
            if dropped:
                del self._list[:dropped]


def _storable(value: object) -> Any:
    """A JSON value that every reader can hold, and that the native encoder takes."""
    if isinstance(value, dict):
        return {_storable(key): _storable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int) and abs(value) > _INTEGER_MAX:
        return float(value)
    return value
