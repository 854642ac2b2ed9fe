"""
A document opened by native code, with its root types; for the process of a view host.

Half a character that a deletion left behind is U+FFFD, as in Yjs: native code would take a wrong
character there, so it is given such a document in the form that compaction gives it.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from pycrdt import Doc

from syncroom.document.compact import compact
from syncroom.document.content import find_roots
from syncroom.document.structs import Structs
from syncroom.protocol.update import read_update

if TYPE_CHECKING:
    from collections.abc import Callable

    from pycrdt import TransactionEvent

    from syncroom.document.content import Root, Roots

_find_astral = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}").search
"""Characters of two UTF-16 units: only those can be cut in half."""


class Unreadable(Exception):
    """Native code can't load the document."""


class Opened:
    """One document, for one request. Raises `Malformed` for bytes that are no whole document."""

    def __init__(self, data: bytes, depth_max: int) -> None:
        update = read_update(data, depth_max)
        self.kinds: Roots = find_roots(Structs(update))
        # Older readers, that of the MeshAgent SDK among them, take 32 bits of an id for the whole.
        self.doc: Doc[Any] = Doc(client_id=secrets.randbits(32))
        self._roots = {name: self._open(name, kind) for name, kind in self.kinds.items()}
        try:
            self.doc.apply_update(compact(update) if _find_astral(data) else data)
        except Exception as error:
            raise Unreadable(type(error).__name__) from error

    def root(self, name: str, kind: Root | None = None) -> Any:
        """A root type; one that has no content yet is opened as the kind that is given."""
        if name not in self._roots:
            assert kind is not None
            self._roots[name] = self._open(name, kind)
        return self._roots[name]

    def edit(self, change: Callable[[], None]) -> bytes:
        """Make a change as one transaction; the update that it comes to, empty if to nothing."""

        def at_once() -> None:
            with self.doc.transaction():
                change()

        updates = self.edit_in_steps(at_once)
        return updates[0] if updates else b""

    def edit_in_steps(self, change: Callable[[], None]) -> list[bytes]:
        """Make a change; an update for each transaction that it makes."""
        updates: list[bytes] = []

        def keep(event: TransactionEvent) -> None:
            updates.append(event.update)

        subscription = self.doc.observe(keep)
        change()
        self.doc.unobserve(subscription)
        return updates

    def _open(self, name: str, kind: Root) -> Any:
        return self.doc.get(name, type=kind)
