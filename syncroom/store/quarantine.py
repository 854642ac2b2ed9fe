"""
Records that native code can't survive, kept as evidence: one JSON file each in ``quarantine/`` of
the data folder, named by the hash of what they hold. The log keeps them as well; nothing here is
ever deleted or sent anywhere by the server.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from syncroom.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from syncroom.protocol.update import Range

FOLDER = "quarantine"

log = logging.getLogger("syncroom.store")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One record that content is read without."""

    room: str
    path: str
    incarnation: str
    seq: int
    """Its number in the log."""
    time_ms: int
    participant: str
    written: tuple[Range, ...]
    """The units it wrote."""
    deleted: tuple[Range, ...]
    """The units it deleted."""
    updates: tuple[str, ...]
    """Its updates in hexadecimal digits; none where compaction has merged them already."""
    reason: str
    """How the host ended that read it."""

    @property
    def sha256(self) -> str:
        """The hash of what it is, whatever became of whoever read it."""
        what = [self.incarnation, self.seq, self.written, self.deleted, self.updates]
        return sha256(json.dumps(what).encode()).hexdigest()


class Quarantine:
    """The quarantined records of a data folder; without a folder they are kept in memory."""

    def __init__(self, data_dir: Path | None) -> None:
        self._folder = None if data_dir is None else data_dir / FOLDER
        self._records: dict[str, list[Quarantined]] = {}
        if self._folder is not None and self._folder.is_dir():
            for file in sorted(self._folder.glob("*.json")):
                self._read(file)

    def of(self, incarnation: str) -> list[Quarantined]:
        """The records of one history of a document."""
        return self._records.get(incarnation, [])

    def add(self, record: Quarantined) -> None:
        """Keep a record; raises `Unavailable` where it can't be written."""
        if self._folder is not None:
            try:
                _write(self._folder, record)
            except OSError as error:
                raise Unavailable(f"quarantine can't be written: {error}") from error
        self._records.setdefault(record.incarnation, []).append(record)
        log.error(
            "quarantined record %d of %r in room %r, sha256 %s: %s",
            *(record.seq, record.path, record.room, record.sha256, record.reason),
        )

    def _read(self, file: Path) -> None:
        try:
            fields = json.loads(file.read_text())
            for name in ("written", "deleted"):
                fields[name] = tuple(tuple(each) for each in fields[name])
            record = Quarantined(**fields | {"updates": tuple(fields["updates"])})
            if record.sha256 != file.stem:
                raise ValueError("its content is not what its name says")
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("%s is left alone: %s", file, error)
            return
        self._records.setdefault(record.incarnation, []).append(record)


def _write(folder: Path, record: Quarantined) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{record.sha256}.json"
    new = file.with_suffix(".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(asdict(record), out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
