"""What a storage grant lets be done with which files, line by line and rule by rule."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syncroom.auth.storage_grant import (
    FileAction,
    FilePathRule,
    FilesPolicy,
    StorageGrant,
    StoragePathGrant,
    canonical_file_path,
)
from syncroom.errors import Malformed

ACTIONS: tuple[FileAction, ...] = get_args(FileAction)
READ = {"list", "read"}
WRITE = READ | {"write", "delete"}
PUBLISHED = [{"path": "/data/uploads", "read_only": True}, {"path": "data"}]


def allowed(fields: dict[str, Any], path: str) -> set[str]:
    grant = StorageGrant.model_validate(fields)
    return {action for action in ACTIONS if grant.allows(action, path)}


@pytest.mark.parametrize(
    ("lines", "path", "expected"),
    [
        (None, "any/file", WRITE),
        (None, "", WRITE),
        ([], "any/file", set()),
        # The published vectors.
        (PUBLISHED, "data/uploads/x", READ),
        (PUBLISHED, "/data/uploads", READ),
        (PUBLISHED, "data/uploads2", WRITE),
        (PUBLISHED, "./data/x", WRITE),
        (PUBLISHED, "././data/x/", WRITE),
        (PUBLISHED, "datax", set()),
        (PUBLISHED, "data//x", set()),
        (PUBLISHED, "", set()),
        (PUBLISHED, ".", set()),
        # The first line that covers a path decides on everything.
        ([{"path": "data"}, {"path": "data/uploads", "read_only": True}], "data/uploads/x", WRITE),
        ([{"path": "", "read_only": True}, {"path": "data"}], "data/x", READ),
        ([{"path": "/"}], "any/file", WRITE),
        # With a star at its end a line is a plain prefix.
        ([{"path": "*"}], "any/file", WRITE),
        ([{"path": "*"}], "", WRITE),
        ([{"path": "/data/up*"}], "data/uploads/x", WRITE),
        ([{"path": "data/up*"}], "data/down", set()),
        ([{"path": "data/*"}], "data/x", WRITE),
        ([{"path": "data/*"}], "data", set()),
        ([{"path": "data/*", "read_only": True}, {"path": "data"}], "data/x", READ),
        ([{"path": "d*ta"}], "data", set()),
        # One spelling of composed letters.
        ([{"path": "cafe\u0301", "read_only": True}, {"path": ""}], "caf\u00e9/x", READ),
        # A line that cannot be understood denies everything.
        ([{"path": "data"}, {"path": "./x"}], "data", set()),
        ([{"path": "data"}, {"path": "a//b"}], "data", set()),
        ([{"path": "data"}, {"path": "a//b*"}], "data", set()),
        ([{"path": "data"}, {"path": "../b"}], "data", set()),
        ([{"path": "data"}, {"path": "../*"}], "data", set()),
        ([{"path": "data"}, {"path": "a/.meshagent-directory"}], "data", set()),
        # What is not canonical is denied, and so are the server's own files.
        (None, "a/../b", set()),
        (None, "a\\b", set()),
        (None, "a\x00", set()),
        (None, "a/./b", set()),
        (None, "a/.meshagent-directory", set()),
        (None, ".meshagent-upload-1/x", set()),
        (None, ".meshagent-uploads", WRITE),
    ],
)
def test_lines_allow_exactly_what_they_cover(
    lines: list[dict[str, Any]] | None, path: str, expected: set[str]
) -> None:
    assert allowed({"paths": lines}, path) == expected


def test_helpers_ask_for_one_action_each() -> None:
    grant = StorageGrant.model_validate({"paths": PUBLISHED})

    assert grant.can_read("data/uploads/x")
    assert grant.can_list("data/uploads")
    assert not grant.can_write("data/uploads/x")
    assert not grant.can_delete("data/uploads/x")
    assert grant.can_write("data/x")
    assert grant.can_delete("data/x")
    assert not grant.can_presign("data/x")


@pytest.mark.parametrize(
    ("lines", "folder", "expected"),
    [
        (None, "", True),
        ([], "", False),
        (PUBLISHED, "", True),
        (PUBLISHED, "data", True),
        (PUBLISHED, "data/uploads", True),
        (PUBLISHED, "other", False),
        (PUBLISHED, "data//x", False),
        ([{"path": "a/b/c"}], "a/b", True),
        ([{"path": "a/b/c"}], "a/bb", False),
        ([{"path": "a/b*"}], "a", True),
        ([{"path": "a/*"}], "a", True),
        ([{"path": "a/b/c"}, {"path": "./x"}], "a", False),
    ],
)
def test_folder_on_the_way_to_something_granted_may_be_listed(
    lines: list[dict[str, Any]] | None, folder: str, expected: bool
) -> None:
    assert StorageGrant.model_validate({"paths": lines}).can_list_directory(folder) is expected


def test_whole_folder_is_deleted_only_where_no_earlier_line_names_a_part_of_it() -> None:
    grant = StorageGrant.model_validate({"paths": PUBLISHED})

    assert not grant.can_delete("data", recursive=True)
    assert grant.can_delete("data", recursive=False)
    assert grant.can_delete("data/other", recursive=True)
    assert StorageGrant().can_delete("data", recursive=True)


@pytest.mark.parametrize(
    ("action", "path", "line", "why"),
    [
        ("write", "data/uploads/x", 0, "decides: read-only"),
        ("write", "data/x", 1, "decides: not read-only"),
        ("presign", "data/x", 1, "links that work alone"),
        ("write", "other", None, "no line names this path"),
        ("write", "a//b", None, "'a//b' is not a canonical relative path"),
        ("write", "a/./b", None, "'a/./b' is not a canonical relative path"),
        ("write", ".meshagent-upload-1", None, "'.meshagent-upload-1' holds a name that servers"),
    ],
)
def test_decision_names_the_line_and_says_why(
    action: FileAction, path: str, line: int | None, why: str
) -> None:
    decision = StorageGrant.model_validate({"paths": PUBLISHED}).decide(action, path)

    assert decision.line == line
    assert why in decision.why


def test_decision_names_the_line_that_spoils_the_grant_and_the_one_inside_a_folder() -> None:
    spoilt = StorageGrant.model_validate({"paths": [{"path": "a"}, {"path": "a//b"}]})
    parted = StorageGrant.model_validate({"paths": PUBLISHED})

    assert spoilt.decide("read", "a").line == 1
    assert parted.decide("delete", "data", subtree=True).line == 0


def policy(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"files": {"paths": list(rules)}, "paths": []}


def rule(path: str, *actions: str, recursive: bool = True, **more: Any) -> dict[str, Any]:
    return {"path": path, "recursive": recursive, "actions": list(actions), **more}


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ([], "a", set()),
        ([rule("a", "read")], "a", {"read"}),
        ([rule("a", "read")], "a/b", {"read"}),
        ([rule("a", "read")], "ab", set()),
        ([rule("a", "read", recursive=False)], "a", {"read"}),
        ([rule("a", "read", recursive=False)], "a/b", set()),
        ([rule("", "presign")], "a/b", {"presign"}),
        ([rule("a", "read"), rule("a/b", "write")], "a/b/c", {"read", "write"}),
        ([rule("a", "read", excluded_paths=["a/b"])], "a/b/c", set()),
        ([rule("a", "read", excluded_paths=["a/b"])], "a/bc", {"read"}),
        ([rule("a*", "read")], "ab", set()),
        ([rule("", "read")], "a//b", set()),
        ([rule("cafe\u0301", "read")], "caf\u00e9/x", {"read"}),
    ],
)
def test_any_rule_of_a_policy_allows(
    rules: list[dict[str, Any]], path: str, expected: set[str]
) -> None:
    assert allowed(policy(*rules), path) == expected


def test_policy_wins_over_paths() -> None:
    grant = StorageGrant.model_validate(policy(rule("a", "read")) | {"paths": None})

    assert grant.can_read("a")
    assert not grant.can_read("b")


def test_policy_deletes_a_whole_folder_only_where_nothing_in_it_is_excluded() -> None:
    grant = StorageGrant.model_validate(
        policy(rule("a", "delete", excluded_paths=["a/keep/this"]), rule("b", "delete"))
    )

    assert not grant.can_delete("a", recursive=True)
    assert not grant.can_delete("a/keep", recursive=True)
    assert grant.can_delete("a/other", recursive=True)
    assert grant.can_delete("b", recursive=True)


def test_rule_for_one_path_deletes_no_folder() -> None:
    grant = StorageGrant.model_validate(policy(rule("a", "delete", recursive=False)))

    assert grant.can_delete("a")
    assert not grant.can_delete("a", recursive=True)


def test_policy_lists_the_folders_on_the_way_to_what_it_lists() -> None:
    grant = StorageGrant.model_validate(policy(rule("a/b/c", "list"), rule("x/y", "read")))

    assert grant.can_list_directory("")
    assert grant.can_list_directory("a/b")
    assert not grant.can_list_directory("x")


def test_policy_names_the_rule_that_allows() -> None:
    grant = StorageGrant.model_validate(policy(rule("a", "read"), rule("a", "write")))

    assert grant.decide("write", "a").line == 1
    assert grant.decide("delete", "a").line is None


@pytest.mark.parametrize(
    "broken",
    [
        {"path": "a", "recursive": True},
        {"path": "a", "actions": ["read"]},
        rule("/a", "read"),
        rule("a//b", "read"),
        rule("..", "read"),
        rule("a", "fly"),
        rule("a", "read", excluded_paths=["./b"]),
        rule("a", "read", excluded_paths=["b"] * 1001),
    ],
)
def test_policy_that_cannot_be_understood_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StorageGrant.model_validate(policy(broken))


def test_policy_of_more_rules_than_allowed_is_refused() -> None:
    assert FilesPolicy(paths=[FilePathRule(path="a", recursive=True, actions=[])] * 1000)
    with pytest.raises(ValidationError):
        FilesPolicy(paths=[FilePathRule(path="a", recursive=True, actions=[])] * 1001)


def test_canonical_paths_are_kept_and_others_refused() -> None:
    assert canonical_file_path("") == ""
    assert canonical_file_path("a/b") == "a/b"
    with pytest.raises(Malformed, match="canonical"):
        canonical_file_path("a/")


segments = st.sampled_from(["a", "b", "ab"])
file_paths = st.lists(segments, max_size=3).map("/".join)
lines = st.lists(
    st.builds(StoragePathGrant, path=file_paths | file_paths.map(lambda path: path + "*")).flatmap(
        lambda line: st.sampled_from([line, line.model_copy(update={"read_only": True})])
    ),
    max_size=4,
)


@given(lines, file_paths)
def test_line_by_line_what_may_be_written_may_be_read_and_listed(
    paths: list[StoragePathGrant], path: str
) -> None:
    grant = StorageGrant(paths=paths)

    assert grant.can_write(path) <= grant.can_read(path)
    assert grant.can_read(path) <= grant.can_list_directory(path)


@given(lines, file_paths, st.lists(segments, min_size=1, max_size=2).map("/".join))
def test_folder_that_may_be_deleted_whole_holds_nothing_that_may_not(
    paths: list[StoragePathGrant], folder: str, below: str
) -> None:
    grant = StorageGrant(paths=paths)

    inner = f"{folder}/{below}" if folder else below
    assert grant.can_delete(folder, recursive=True) <= grant.can_delete(inner)
