"""
``fsck``: looks at everything that a data folder holds, and explains what it finds.

It reads the file, each record, what the updates build on, and lets native code read each document,
in a process of its own. It repairs nothing and guesses nothing: what is damaged stays as it is, for
a backup or for somebody who knows.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from syncroom.document.culprit import Piece, find_culprit, read_piece
from syncroom.document.host import HostDied
from syncroom.document.log import merge
from syncroom.document.state import DocumentState
from syncroom.errors import Damaged, Malformed, SyncroomError
from syncroom.protocol.update import read_update
from syncroom.store.check import Finding, check_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from syncroom.document.host import ViewHosts
    from syncroom.limits import Limits
    from syncroom.store.base import Store, StoredDocument
    from syncroom.store.quarantine import Quarantine


class Fsck:
    """One look at a data folder that is held open.

    Args:
        folder: the data folder.
        store: the same, open.
        hosts: where native code reads.
        quarantine: the records that are known not to survive it.
        limits: the bounds of the server.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        hosts: ViewHosts,
        quarantine: Quarantine,
        limits: Limits,
    ) -> None:
        self.documents = 0
        """How many were looked at so far."""
        self._folder = folder
        self._store = store
        self._hosts = hosts
        self._quarantine = quarantine
        self._limits = limits

    async def findings(self) -> AsyncIterator[Finding]:
        """What is wrong: the file first, then document by document."""
        for found in await asyncio.to_thread(lambda: list(check_file(self._folder))):
            yield found
        for room in await self._store.rooms():
            for info in await self._store.documents(room):
                self.documents += 1
                async for found in self._document(room, info.path):
                    yield found

    async def _document(self, room: str, path: str) -> AsyncIterator[Finding]:
        try:
            stored = await self._store.load(room, path)
        except Damaged as error:
            yield Finding("unreadable", room, path, None, f"it can't be opened: {error}")
            return
        if stored is None:
            return
        is_sound = True
        for seq, text in await asyncio.to_thread(_vet, stored, self._limits):
            is_sound = False
            yield Finding("update", room, path, seq, text)
        for record in self._quarantine.of(stored.incarnation):
            text = f"content is read without it: {record.reason}; sha256 {record.sha256}"
            yield Finding("quarantined", room, path, record.seq, text)
        if is_sound:
            async for found in self._read(room, path, stored):
                yield found

    async def _read(self, room: str, path: str, stored: StoredDocument) -> AsyncIterator[Finding]:
        """Whether native code can read it."""
        merged = await asyncio.to_thread(merge, stored.updates)
        try:
            await self._hosts.call("check", merged)
        except HostDied as death:
            known = {record.seq for record in self._quarantine.of(stored.incarnation)}
            seq = await self._culprit(room, path, stored, merged)
            if seq is not None and seq not in known:
                text = f"native code does not survive it: {death}"
                yield Finding("native", room, path, seq, text)
            elif seq is None and death.is_spent:
                text = f"its content is too much to be read within the limits: {death}"
                yield Finding("large", room, path, None, text)
            elif seq is None:
                yield Finding("native", room, path, None, f"its content can't be read: {death}")
        except SyncroomError as error:
            yield Finding("state", room, path, None, f"its content can't be read: {error}")

    async def _culprit(
        self, room: str, path: str, stored: StoredDocument, merged: bytes
    ) -> int | None:
        """The number of the record that native code does not survive, if it is one."""
        depth_max = self._limits.value_depth_max
        traces = await self._store.traces(room, path)
        pieces = [Piece(each.written, each.deleted) for each in traces[: stored.base_seq]]
        pieces += [read_piece(record.updates, depth_max) for record in stored.records]
        index = await find_culprit(self._hosts, merged, pieces, [], self._limits)
        return None if index is None else index + 1


def _vet(stored: StoredDocument, limits: Limits) -> list[tuple[int, str]]:
    """Updates that no server would accept any more, by the number of their record."""
    found = []
    state = DocumentState()
    groups: list[tuple[int, tuple[bytes, ...]]] = []
    if stored.base:
        groups.append((stored.base_seq, (stored.base,)))
    groups += [
        (stored.base_seq + index, record.updates) for index, record in enumerate(stored.records, 1)
    ]
    for seq, updates in groups:
        for data in updates:
            try:
                update = read_update(data, limits.value_depth_max)
                if state.gap(update) is not None:
                    raise Malformed("it builds on something that is missing")
                state.new_part(update, limits.value_depth_max)
            except Malformed as error:
                found.append((seq, str(error)))
                continue
            state.apply(update)
    return found
