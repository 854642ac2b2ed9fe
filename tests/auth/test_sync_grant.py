"""Which documents a sync grant opens: any line reads, the first that matches decides on writing."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.auth.grant import Decision
from syncroom.auth.sync_grant import SyncGrant, SyncPathGrant

PUBLISHED = [{"path": "/public/*"}, {"path": "docs/a", "read_only": True}]
SECRET_DRAFTS = [{"path": "docs/drafts/*", "read_only": True}, {"path": "docs/*"}]


def rights(lines: list[dict[str, Any]] | None, path: str) -> str:
    grant = SyncGrant.model_validate({"paths": lines})
    return "r" * grant.can_read(path) + "w" * grant.can_write(path)


@pytest.mark.parametrize(
    ("lines", "path", "expected"),
    [
        (None, "anything/at all", "rw"),
        ([], "anything", ""),
        # The published vectors, with both sides in one spelling as the server compares them.
        (PUBLISHED, "/public/x", "rw"),
        (PUBLISHED, "public/x", "rw"),
        (PUBLISHED, "./public/x/y", "rw"),
        (PUBLISHED, "/public", ""),
        (PUBLISHED, "public", ""),
        (PUBLISHED, "publicity", ""),
        (PUBLISHED, "docs/a", "r"),
        (PUBLISHED, "/docs/a", "r"),
        (PUBLISHED, "docs/ab", ""),
        (PUBLISHED, "docs/a/b", ""),
        # Order matters for writing only.
        (SECRET_DRAFTS, "docs/drafts/x", "r"),
        (SECRET_DRAFTS, "docs/x", "rw"),
        (SECRET_DRAFTS[::-1], "docs/drafts/x", "rw"),
        ([{"path": "*", "read_only": True}, {"path": "docs/a"}], "docs/a", "r"),
        ([{"path": "docs/a"}, {"path": "*", "read_only": True}], "docs/a", "rw"),
        # Only a trailing star is special.
        ([{"path": "*"}], "any/path", "rw"),
        ([{"path": "/*"}], "any/path", "rw"),
        ([{"path": "./*"}], "any/path", "rw"),
        ([{"path": "doc*"}], "docs/a", "rw"),
        ([{"path": "*/a"}], "docs/a", ""),
        ([{"path": "*/a"}], "*/a", "rw"),
        ([{"path": "d*s/a"}], "docs/a", ""),
        ([{"path": "docs/**"}], "docs/a", ""),
        ([{"path": "docs/**"}], "docs/*a", "rw"),
        ([{"path": "docs/"}], "docs", "rw"),
        ([{"path": "docs/"}], "docs/a", ""),
        ([{"path": "docs/.*"}], "docs/.hidden", "rw"),
        ([{"path": "docs/.*"}], "docs/seen", ""),
        ([{"path": "Docs/a"}], "docs/a", ""),
        # One spelling on both sides.
        ([{"path": "cafe\u0301"}], "caf\u00e9", "rw"),
        ([{"path": "caf\u00e9/*"}], "cafe\u0301/x", "rw"),
        ([{"path": "a//b"}], "a/b", "rw"),
        ([{"path": "a/./b"}], "a/b", "rw"),
        # What cannot name a document matches nothing, and asks for nothing.
        ([{"path": ""}], "a", ""),
        ([{"path": "/"}], "a", ""),
        ([{"path": "../*"}, {"path": "b"}], "b", "rw"),
        ([{"path": "a\\b"}], "a\\b", ""),
        ([{"path": "*"}], "a/../b", ""),
        ([{"path": "*"}], "", ""),
        (None, "a\x00", ""),
    ],
)
def test_lines_open_exactly_what_they_name(
    lines: list[dict[str, Any]] | None, path: str, expected: str
) -> None:
    assert rights(lines, path) == expected


@pytest.mark.parametrize(
    ("action", "path", "allowed", "line", "why"),
    [
        ("read", "docs/drafts/x", True, 0, "any line that names the path"),
        ("write", "docs/drafts/x", False, 0, "decides: read-only"),
        ("write", "docs/x", True, 1, "decides: not read-only"),
        ("read", "docs/x", True, 1, "any line that names the path"),
        ("write", "other", False, None, "no line names this path"),
        ("read", "a/../b", False, None, "holds '..'"),
    ],
)
def test_decision_names_the_line_and_says_why(
    action: Literal["read", "write"], path: str, allowed: bool, line: int | None, why: str
) -> None:
    grant = SyncGrant.model_validate({"paths": SECRET_DRAFTS})

    decision = grant.decide(action, path)

    assert (decision.allowed, decision.line) == (allowed, line)
    assert why in decision.why


def test_grant_without_lines_decides_by_having_none() -> None:
    everything = "the grant has no list of paths, so it covers every path"

    assert SyncGrant().decide("write", "a") == Decision(True, everything)


patterns = st.text(st.sampled_from("ab/.*"), min_size=1, max_size=5)
grants = st.lists(st.builds(SyncPathGrant, path=patterns, read_only=st.booleans()), max_size=4)


@given(grants, patterns)
def test_what_may_be_written_may_be_read(lines: list[SyncPathGrant], path: str) -> None:
    grant = SyncGrant(paths=lines)

    assert grant.can_read(path) or not grant.can_write(path)


@given(grants, grants, patterns)
def test_later_lines_never_take_away(
    lines: list[SyncPathGrant], more: list[SyncPathGrant], path: str
) -> None:
    before, after = SyncGrant(paths=lines), SyncGrant(paths=lines + more)

    assert after.can_read(path) >= before.can_read(path)
    assert after.can_write(path) >= before.can_write(path)
