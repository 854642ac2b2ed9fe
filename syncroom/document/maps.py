"""
Documents that only the server writes: one map of plain JSON values each.

They hold no foreign bytes, so each lives as a `pycrdt.Doc` in this process. What it changes takes
the same path as everybody's updates.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pycrdt import Doc, Map, TransactionEvent, merge_updates

from syncroom.document.document import Document
from syncroom.protocol import state_vector
from syncroom.protocol.update import encode_delete_set

if TYPE_CHECKING:
    from syncroom.document.peer import Wire


class MapDocument(Document):
    """A document with one root map, which peers read and the server writes."""

    def open_map(self, root: str) -> None:
        """Name the map; to be called once."""
        # of two entries under one name readers keep that of the higher client id: the later life's
        self._doc: Doc[Any] = Doc(client_id=self._now_ms() << 10 | secrets.randbits(10))
        self._map = self._doc.get(root, type=Map)
        self._subscription = self._doc.observe(self._publish_change)

    def set(self, key: str, value: dict[str, object]) -> None:
        """Put a JSON value under a key."""
        self._map[key] = value

    def remove(self, key: str) -> None:
        """Take a key out of the map."""
        del self._map[key]

    def answer(self, wire: Wire, vector: bytes) -> bytes:
        """As for every document; and what a reader keeps of earlier lives of it is deleted.

        The map begins anew with each server. A reader that stayed would otherwise merge the
        entries of its last life into those of this one.
        """
        stale = [
            (client, 0, clock)
            for client, clock in state_vector.decode(vector).items()
            if clock and client not in self._state.clocks
        ]
        if not stale:
            return super().answer(wire, vector)
        self.flush()
        deletion = b"\0" + encode_delete_set(stale)
        return wire.answer(merge_updates(self._log.since(vector), deletion))

    def _publish_change(self, event: TransactionEvent) -> None:
        self.publish(event.update)
