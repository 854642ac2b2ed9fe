"""
``fsck``: looks at everything that a store holds, and explains what it finds.

It reads the file, each record, what the updates build on, and lets native code read each document.
The work is done in threads and in processes of their own, on what is on disk at one moment, so a
server may run meanwhile. It repairs nothing and guesses nothing: what is damaged stays as it is,
for a backup or for somebody who knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.document.culprit import Piece, find_culprit, read_piece
from syncroom.document.host import HostDied
from syncroom.errors import Damaged, SyncroomError, Unavailable
from syncroom.protocol.varint import encode_bytes
from syncroom.store.base import Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from syncroom.document.host import ViewHosts
    from syncroom.limits import Limits
    from syncroom.store.base import Store, StoredDocument
    from syncroom.store.quarantine import Quarantine


class Fsck:
    """Looks at what a store holds, while it is written or at rest.

    Args:
        store: the documents.
        hosts: where records are vetted, and where native code reads.
        quarantine: the records that are known not to survive it.
        limits: the bounds of the server.
    """

    def __init__(
        self, store: Store, hosts: ViewHosts, quarantine: Quarantine, limits: Limits
    ) -> None:
        self._store = store
        self._hosts = hosts
        self._quarantine = quarantine
        self._limits = limits

    async def file(self) -> list[Finding]:
        """What is wrong beside the documents that are listed, of whatever room."""
        return await self._store.check_file()

    async def document(self, room: str, path: str) -> list[Finding]:
        """What is wrong with one document as it is on disk at one moment; raises `Unavailable`."""
        found = await self._store.check_rows(room, path)
        try:
            stored = await self._store.load(room, path)
        except Damaged as error:
            text = f"it can't be opened: {error}"
            return [*found, Finding("unreadable", room, path, None, text)]
        if stored is None:
            return found
        try:
            unsound, merged = await self._vet(stored)
        except HostDied as death:
            text = f"its records are too much to be checked within the limits: {death}"
            return [*found, Finding("large", room, path, None, text)]
        found += [Finding("update", room, path, seq, text) for seq, text in unsound]
        for record in self._quarantine.of(stored.incarnation):
            text = f"content is read without it: {record.reason}; sha256 {record.sha256}"
            found.append(Finding("quarantined", room, path, record.seq, text))
        if not unsound:
            found += [each async for each in self._read(room, path, stored, merged)]
        return found

    async def _vet(self, stored: StoredDocument) -> tuple[list[tuple[int, str]], bytes]:
        """What no server would accept any more, by number; without that, the whole document."""
        records = [(stored.base_seq, 1)] if stored.base else []
        records += [
            (seq, len(each.updates)) for seq, each in enumerate(stored.records, stored.base_seq + 1)
        ]
        data = b"".join(map(encode_bytes, stored.updates))
        answer = await self._hosts.call("vet", data, records=records)
        return answer.value, answer.data

    async def _read(
        self, room: str, path: str, stored: StoredDocument, merged: bytes
    ) -> AsyncIterator[Finding]:
        """Whether native code can read it."""
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
        except Unavailable:
            raise
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
