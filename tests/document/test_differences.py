"""Where two texts differ: always right, and as little as it should be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.document.differences import Change, changes

_TEXTS = st.text(alphabet="ab \n😀é", max_size=60)


def applied(old: str, made: list[Change]) -> str:
    for first, end, new in reversed(made):
        old = old[:first] + new + old[end:]
    return old


@given(_TEXTS, _TEXTS)
def test_the_changes_make_one_text_the_other(old: str, new: str) -> None:
    made = list(changes(old, new))

    assert applied(old, made) == new
    assert all(first[1] <= second[0] for first, second in pairwise(made))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ("same", "same", []),
        ("", "new", [(0, 0, "new")]),
        ("old", "", [(0, 3, "")]),
        ("one two three", "one 2 three", [(4, 7, "2")]),
        ("one two three", "one three", [(4, 8, "")]),
        ("cat", "cart", [(2, 2, "r")]),
        ("a b\nc d\ne f\n", "a x\nc d\ne y\n", [(2, 3, "x"), (10, 11, "y")]),
        ("x\n" * 3, "x\n" * 4, [(6, 6, "x\n")]),
        ("a 😀 b", "a 🎉 b", [(2, 3, "🎉")]),
    ],
)
def test_only_what_differs_is_changed(old: str, new: str, expected: list[Change]) -> None:
    assert list(changes(old, new)) == expected


def test_a_long_text_without_anything_to_hold_on_to_is_replaced_in_one_go() -> None:
    old, new = "a b " * 2000, "b a " * 2001

    (change,) = changes(old, new)

    assert applied(old, [change]) == new


def test_marks_behind_each_of_many_lines_are_put_there() -> None:
    old = "".join(f"{number}\n" for number in range(3000))

    made = list(changes(old, old.replace("\n", ".\n")))

    assert {new for _, _, new in made} == {"."}
    assert len(made) == 3000


def test_lines_that_moved_in_a_long_text_are_moved_alone() -> None:
    lines = [f"line {number}\n" for number in range(3000)]
    old = "".join(lines)
    lines[100], lines[2900] = lines[2900], lines[100]

    made = list(changes(old, "".join(lines)))

    assert applied(old, made) == "".join(lines)
    assert sum(end - first + len(new) for first, end, new in made) <= 60


def test_a_word_in_a_long_text_is_a_small_change() -> None:
    lines = [f"line {number}\n" for number in range(20_000)]
    old = "".join(lines)
    lines[7] = "lime 7\n"
    lines[19_990] = "line 19990!\n"

    made = list(changes(old, "".join(lines)))

    assert sum(end - first + len(new) for first, end, new in made) <= 20
