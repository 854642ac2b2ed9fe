"""What all grants share: leniency, brevity, and how names match."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from syncroom.auth.grant import any_matches, contains, matches
from syncroom.auth.scopes import ContainersGrant, MessagingGrant, QueuesGrant


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a*", "a", True),
        ("a*", "ab", True),
        ("a*", "a*", True),
        ("*", "", True),
        ("*a", "ba", False),
        ("a*b", "axb", False),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_only_a_last_star_is_special(pattern: str, value: str, expected: bool) -> None:
    assert matches(pattern, value) is expected


def test_no_list_allows_everything_and_an_empty_one_nothing() -> None:
    assert any_matches(None, "a")
    assert contains(None, "a")
    assert not any_matches([], "a")
    assert not contains([], "a")


def test_listed_names_are_compared_letter_for_letter() -> None:
    assert contains(["a*"], "a*")
    assert not contains(["a*"], "ab")
    assert any_matches(["x", "a*"], "ab")


def test_unknown_fields_are_ignored_and_wrong_ones_refused() -> None:
    assert MessagingGrant.model_validate({"send": False, "new": 1}) == MessagingGrant(send=False)
    with pytest.raises(ValidationError):
        MessagingGrant.model_validate({"send": None})
    with pytest.raises(ValidationError):
        QueuesGrant.model_validate({"send": "all"})


def test_only_what_differs_from_the_defaults_is_written() -> None:
    assert MessagingGrant().to_json() == {}
    assert ContainersGrant(pull=[], run=None, logs=False).to_json() == {"pull": [], "logs": False}


def test_grants_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MessagingGrant().send = False  # type: ignore[misc]  # what this test is about
