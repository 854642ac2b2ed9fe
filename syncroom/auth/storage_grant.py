"""
The grant on files: what a participant may do with which of them.

A line of ``paths`` names a file or a folder with all that lies in it or, with a last ``*``, a
plain prefix; the first line that covers a path decides. A ``files`` policy names actions one by
one, and wins where both are present. What is not a canonical relative path is denied, and a line
that is not one denies everything: nobody can tell what it was meant to protect.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field

from syncroom.auth.grant import Decision, Grant
from syncroom.auth.paths import normalise, normalise_pattern
from syncroom.errors import Malformed

FileAction: TypeAlias = Literal["list", "read", "write", "delete", "presign"]

_READ_ACTIONS: tuple[FileAction, ...] = ("list", "read")
_WRITE_ACTIONS: tuple[FileAction, ...] = ("list", "read", "write", "delete")
_DOT_SLASHES = re.compile(r"\A(?:\./)+")
_RULES_MAX = 1000  # the bound of the published SDK; a token has no room for more


def canonical_file_path(path: str) -> str:
    """Return a relative path as NFC, ``""`` being the root; raises `Malformed` for any other."""
    if not path:
        return ""
    text = normalise(path)  # first of all, for it bounds the length
    if text != unicodedata.normalize("NFC", path):
        raise _no_canon(path)
    if any(map(_is_internal, text.split("/"))):
        raise Malformed(f"the path {path[:80]!r} holds a name that servers keep for themselves")
    return text


def _no_canon(path: str) -> Malformed:
    return Malformed(
        f"the path {path[:80]!r} is not a canonical relative path: it has a slash at an end, or "
        "a name that is empty or '.'"
    )


def _is_internal(name: str) -> bool:
    """Whether a name is one that published servers keep for their own files."""
    return name == ".meshagent-directory" or name.startswith(".meshagent-upload-")


def _request_path(path: str) -> str:
    """Read a path as clients send it: ``./`` and slashes around it mean nothing."""
    path = _DOT_SLASHES.sub("", path).strip("/")
    return "" if path == "." else canonical_file_path(path)


def _region(path: str) -> str:
    """Return what a line covers: a canonical path, or a prefix of paths with its ``*``."""
    text = unicodedata.normalize("NFC", path.strip("/"))
    if not text.endswith("*"):
        return canonical_file_path(text)
    if normalise_pattern(text) != text:
        raise _no_canon(path)
    return text


def _covers(region: str, path: str) -> bool:
    """Whether a line's region holds a path."""
    if region.endswith("*"):
        return path.startswith(region[:-1])
    return path == region or _lies_in(path, region)


def _lies_in(path: str, folder: str) -> bool:
    return not folder or path.startswith(folder + "/")


def _canonical_field(path: str) -> str:
    try:
        return canonical_file_path(path)
    except Malformed as error:
        raise ValueError(str(error)) from error


CanonicalPath = Annotated[str, AfterValidator(_canonical_field)]


class FilePathRule(Grant):
    """Actions on a file, or on a folder with all that lies in it but for some subtrees."""

    path: CanonicalPath
    recursive: bool
    actions: list[FileAction]
    excluded_paths: list[CanonicalPath] = Field(default_factory=list, max_length=_RULES_MAX)

    def allows(self, action: FileAction, path: str, *, subtree: bool = False) -> bool:
        """Whether this rule allows an action on a canonical path, or on all that lies in it."""
        if action not in self.actions or (subtree and not self.recursive):
            return False
        if path != self.path and not (self.recursive and _lies_in(path, self.path)):
            return False
        return not any(
            path == excluded or _lies_in(path, excluded) or (subtree and _lies_in(excluded, path))
            for excluded in self.excluded_paths
        )


class FilesPolicy(Grant):
    """Rules of which any may allow an action."""

    paths: list[FilePathRule] = Field(default_factory=list, max_length=_RULES_MAX)

    def allows(self, action: FileAction, path: str, *, subtree: bool = False) -> bool:
        """Whether any rule allows an action on a canonical path, or on all that lies in it."""
        return self.decide(action, path, subtree=subtree).allowed

    def can_list_directory(self, path: str) -> bool:
        """Whether a folder may be listed: it is granted, or something that lies in it is."""
        return self.allows("list", path) or any(
            _lies_in(rule.path, path) and rule.allows("list", rule.path) for rule in self.paths
        )

    def decide(self, action: FileAction, path: str, *, subtree: bool = False) -> Decision:
        """Say whether an action on a canonical path is allowed, by which rule, and why."""
        for line, rule in enumerate(self.paths):
            if rule.allows(action, path, subtree=subtree):
                return Decision(True, f"the rule allows to {action}", line)
        return Decision(False, f"no rule allows to {action} this path")


class StoragePathGrant(Grant):
    """A line of a storage grant: a file, a folder with all that lies in it, or a prefix."""

    path: str
    read_only: bool = False

    @cached_property
    def region(self) -> str | None:
        """What the line covers, as paths are compared; None where its path is not canonical."""
        try:
            return _region(self.path)
        except Malformed:
            return None

    @property
    def actions(self) -> tuple[FileAction, ...]:
        """What may be done where this line decides. Links that work alone are never granted."""
        return _READ_ACTIONS if self.read_only else _WRITE_ACTIONS


class StorageGrant(Grant):
    """Which files may be listed, read, written and deleted."""

    paths: list[StoragePathGrant] | None = None
    files: FilesPolicy | None = None

    @classmethod
    def full(cls) -> StorageGrant:
        """Everything, links that work alone among it."""
        rule = FilePathRule(path="", recursive=True, actions=[*get_args(FileAction)])
        return cls(files=FilesPolicy(paths=[rule]))

    def allows(self, action: FileAction, path: str, *, subtree: bool = False) -> bool:
        """Whether an action is allowed on a path or, as ``subtree``, on all that lies in it."""
        return self.decide(action, path, subtree=subtree).allowed

    def can_read(self, path: str, *, subtree: bool = False) -> bool:
        return self.allows("read", path, subtree=subtree)

    def can_write(self, path: str, *, subtree: bool = False) -> bool:
        return self.allows("write", path, subtree=subtree)

    def can_delete(self, path: str, *, recursive: bool = False) -> bool:
        return self.allows("delete", path, subtree=recursive)

    def can_list(self, path: str) -> bool:
        return self.allows("list", path)

    def can_presign(self, path: str) -> bool:
        return self.allows("presign", path)

    def can_list_directory(self, path: str) -> bool:
        """Whether a folder may be listed: it is granted, or something that lies in it is."""
        try:
            folder = _request_path(path)
        except Malformed:
            return False
        if self.files is not None:
            return self.files.can_list_directory(folder)
        if self.paths is None:
            return True
        regions = _regions(self.paths)
        return not isinstance(regions, Decision) and any(
            _covers(region, folder) or _lies_in(region, folder) for region in regions
        )

    def decide(self, action: FileAction, path: str, *, subtree: bool = False) -> Decision:
        """Say whether an action is allowed, which line of the grant decides, and why."""
        try:
            asked = _request_path(path)
        except Malformed as error:
            return Decision(False, str(error))
        if self.files is not None:
            return self.files.decide(action, asked, subtree=subtree)
        if self.paths is None:
            allowed = action in _WRITE_ACTIONS
            return Decision(allowed, "the grant has no list of paths, so it covers every path")
        return _decide_by_lines(self.paths, action, asked, subtree)


def _decide_by_lines(
    lines: list[StoragePathGrant], action: FileAction, path: str, subtree: bool
) -> Decision:
    regions = _regions(lines)
    if isinstance(regions, Decision):
        return regions
    for index, region in enumerate(regions):
        if subtree and not _covers(region, path) and _lies_in(region, path):
            return Decision(False, "the line names a part of this folder", index)
        if _covers(region, path):
            return _by_line(index, lines[index], action)
    return Decision(False, "no line names this path")


def _by_line(index: int, line: StoragePathGrant, action: FileAction) -> Decision:
    kind = "read-only" if line.read_only else "not read-only"
    why = f"the first line that names the path decides: {kind}"
    if action == "presign":
        why = "no line of paths allows links that work alone; a files policy can"
    return Decision(action in line.actions, why, index)


def _regions(lines: list[StoragePathGrant]) -> list[str] | Decision:
    """Return what each line covers, or the refusal of all where a line cannot be understood."""
    regions: list[str] = []
    for index, line in enumerate(lines):
        if line.region is None:
            why = "its path is not a canonical relative path, so the whole grant denies"
            return Decision(False, why, index)
        regions.append(line.region)
    return regions
