"""
The grant on documents: which of them a participant may open, and which it may change.

A line names one document or, with a last ``*``, every path that begins so. Any line lets its
documents be read; the first line that names a document decides whether it may be written. Lines
and requests are compared in one spelling; a line that can't name any document matches nothing.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, TypeAlias

from syncroom.auth.grant import Decision, Grant, matches
from syncroom.auth.paths import normalise, normalise_pattern
from syncroom.errors import Malformed

SyncAction: TypeAlias = Literal["read", "write"]


class SyncPathGrant(Grant):
    """A line of a sync grant: one document, or every path with a prefix."""

    path: str
    read_only: bool = False

    @cached_property
    def pattern(self) -> str | None:
        """The path as paths are compared; None where it can't name any document."""
        try:
            return normalise_pattern(self.path)
        except Malformed:
            return None

    def covers(self, path: str) -> bool:
        """Whether this line names a normalised path."""
        return self.pattern is not None and matches(self.pattern, path)


class SyncGrant(Grant):
    """Which documents may be opened, and which of them changed."""

    paths: list[SyncPathGrant] | None = None

    def can_read(self, path: str) -> bool:
        """Whether any line names the document."""
        return self.decide("read", path).allowed

    def can_write(self, path: str) -> bool:
        """Whether the first line that names the document is not read-only."""
        return self.decide("write", path).allowed

    def decide(self, action: SyncAction, path: str) -> Decision:
        """Say whether a document may be read or written, which line decides, and why."""
        try:
            path = normalise(path)
        except Malformed as error:
            return Decision(False, str(error))
        if self.paths is None:
            return Decision(True, "the grant has no list of paths, so it covers every path")
        for line, entry in enumerate(self.paths):
            if entry.covers(path):
                return _by_line(line, entry, action)
        return Decision(False, "no line names this path")


def _by_line(line: int, entry: SyncPathGrant, action: SyncAction) -> Decision:
    if action == "read":
        return Decision(True, "any line that names the path lets it be read", line)
    if entry.read_only:
        return Decision(False, "the first line that names the path decides: read-only", line)
    return Decision(True, "the first line that names the path decides: not read-only", line)
