"""
What a disk holds after the power was cut: all that was synced, and of the rest whatever it likes.

Of what was written since the last sync of its file, each sector of 512 bytes may have arrived or
not, whatever was written before or after it. A file that grew may end anywhere, with zeros or with
old rubbish where nothing arrived. Files appear and disappear in order, at the latest when their
folder is synced. A sync that failed is as Linux has it: the file reads as if all were well, and
what did not arrive never will.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.support.vfs import Event

SECTOR_BYTES = 512

Change: TypeAlias = "tuple[int, bytes | None]"
"""An offset and what was written there; None where the file was cut."""


@dataclass(slots=True)
class _File:
    on_disk: bytearray = field(default_factory=bytearray)
    seen: bytearray = field(default_factory=bytearray)
    """What whoever reads it finds while there is power."""
    unsynced: list[Change] = field(default_factory=list)

    def write(self, offset: int, data: bytes | None) -> None:
        _change(self.seen, offset, data)
        self.unsynced.append((offset, data))

    def sync(self) -> None:
        for offset, data in self.unsynced:
            _change(self.on_disk, offset, data)
        self.unsynced.clear()

    def lose(self, rng: random.Random) -> None:
        """What a failing sync leaves."""
        self.on_disk = self.after_cut(rng)
        self.unsynced.clear()

    def after_cut(self, rng: random.Random) -> bytearray:
        left = bytearray(self.on_disk)
        chance = rng.choice((0.0, 0.05, 0.5, 0.95, 1.0))
        size = max([len(left), *(at + len(data) for at, data in self.unsynced if data is not None)])
        if rng.random() < 0.3:
            rubbish = bytes(size - len(left)) if rng.random() < 0.5 else rng.randbytes(size)
            left += rubbish[: size - len(left)]
        for offset, data in self.unsynced:
            if data is None:
                if rng.random() < chance:
                    _change(left, offset, None)
                continue
            at = 0
            while at < len(data):
                end = min(len(data), at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES)
                if rng.random() < chance:
                    _change(left, offset + at, data[at:end])
                at = end
        return left


class Disk:
    """A folder on a disk whose power may be cut; it follows what is recorded.

    A copy of it is what a killed process leaves: nothing is lost yet that was written.
    """

    def __init__(self) -> None:
        self._names: dict[str, _File] = {}
        self._names_on_disk: dict[str, _File] = {}
        self._unsynced_names: list[tuple[str, _File | None]] = []

    def follow(self, event: Event, rng: random.Random) -> None:
        """Do what was recorded."""
        kind, name = event.kind, event.name
        if kind == "open":
            if name not in self._names:
                self._names[name] = _File()
                self._unsynced_names.append((name, self._names[name]))
        elif kind == "write":
            self._names[name].write(event.offset, event.data)
        elif kind == "truncate":
            self._names[name].write(event.offset, None)
        elif kind == "sync":
            self._names[name].sync()
        elif kind == "lost":
            self._names[name].lose(rng)
        elif kind == "delete":
            del self._names[name]
            self._unsynced_names.append((name, None))
        elif kind == "sync folder":
            self._sync_names(len(self._unsynced_names))

    def cut(self, rng: random.Random) -> Disk:
        """The disk after the power was cut."""
        left = deepcopy(self)
        left._sync_names(rng.randint(0, len(left._unsynced_names)))
        left._unsynced_names.clear()
        left._names = dict(left._names_on_disk)
        for file in left._names.values():
            file.on_disk = file.after_cut(rng)
            file.seen = bytearray(file.on_disk)
            file.unsynced.clear()
        return left

    def write_to(self, folder: Path) -> None:
        """Make a folder of what is read from it."""
        folder.mkdir(mode=0o700)
        for name, file in self._names.items():
            (folder / name).write_bytes(file.seen)

    def _sync_names(self, count: int) -> None:
        for name, file in self._unsynced_names[:count]:
            if file is None:
                self._names_on_disk.pop(name, None)
            else:
                self._names_on_disk[name] = file
        del self._unsynced_names[:count]


def _change(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        if offset < len(content):
            del content[offset:]
        else:
            content += bytes(offset - len(content))
        return
    if len(content) < offset:
        content += bytes(offset - len(content))
    content[offset : offset + len(data)] = data
