"""One spelling of a path: what is brought into it, and what is refused."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.auth.paths import is_reserved, normalise, normalise_pattern
from syncroom.errors import Malformed
from syncroom.limits import Limits

BYTES_MAX = Limits().path_bytes_max

names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=6).map("/".join)
any_text = st.text(st.characters() | st.sampled_from("/.\\*\x00\u0301"), max_size=40)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", "a"),
        ("docs/a", "docs/a"),
        ("/docs/a", "docs/a"),
        ("./docs/a", "docs/a"),
        (".//./docs///a/", "docs/a"),
        ("docs/./a", "docs/a"),
        ("...", "..."),
        ("docs/..a", "docs/..a"),
        (".hidden", ".hidden"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u212bngstr\u00f6m", "\u00c5ngstr\u00f6m"),
        ("notes/\U0001f600 x", "notes/\U0001f600 x"),
        ("a*", "a*"),
        ("  ", "  "),
        ("x" * BYTES_MAX, "x" * BYTES_MAX),
    ],
)
def test_path_has_one_spelling(path: str, expected: str) -> None:
    assert normalise(path) == expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "is empty"),
        ("/", "is empty"),
        ("././", "is empty"),
        ("..", "holds '..'"),
        ("a/../b", "holds '..'"),
        ("/..", "holds '..'"),
        ("a\\b", "backslash"),
        ("a\x00b", "control character"),
        ("a\nb", "control character"),
        ("a\x7f", "control character"),
        ("a\x85", "control character"),
        ("\ud83d", "surrogate"),
        ("a/\udfff", "surrogate"),
        ("x" * (BYTES_MAX + 1), "longer than 1024 bytes"),
        ("\u00e9" * (BYTES_MAX // 2 + 1), "longer than 1024 bytes"),
    ],
)
def test_what_cannot_name_a_document_is_refused_with_the_reason(path: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        normalise(path)

    assert repr(path[:80]) in str(caught.value)


def test_refusal_of_a_long_path_shows_only_its_beginning() -> None:
    with pytest.raises(Malformed) as caught:
        normalise("y" * 5000)

    assert len(str(caught.value)) < 150


def test_length_is_counted_in_bytes_of_the_one_spelling() -> None:
    assert normalise("\u00e9" * 4, bytes_max=8) == "\u00e9" * 4
    with pytest.raises(Malformed, match="longer than 7 bytes"):
        normalise("\u00e9" * 4, bytes_max=7)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", "*"),
        ("/*", "*"),
        ("./*", "*"),
        ("//*", "*"),
        ("docs/*", "docs/*"),
        ("/docs/*", "docs/*"),
        ("./docs//./*", "docs/*"),
        ("docs*", "docs*"),
        ("docs/a", "docs/a"),
        ("/docs/a/", "docs/a"),
        ("docs/.*", "docs/.*"),
        ("docs/..*", "docs/..*"),
        ("..*", "..*"),
        ("a**", "a**"),
        ("a*b", "a*b"),
        ("cafe\u0301*", "caf\u00e9*"),
        ("x" * BYTES_MAX + "*", "x" * BYTES_MAX + "*"),
    ],
)
def test_pattern_has_one_spelling_and_keeps_its_last_star(pattern: str, expected: str) -> None:
    assert normalise_pattern(pattern) == expected


@pytest.mark.parametrize(
    "pattern", ["", "/", "../*", "a/../*", "a\\*", "a\x01*", "\ud800*", "x" * (BYTES_MAX + 1) + "*"]
)
def test_pattern_that_can_match_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(Malformed):
        normalise_pattern(pattern)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".room", True),
        (".room/participants", True),
        (".ROOM/x", True),
        (".Room/a/b", True),
        (".rooms", False),
        ("room", False),
        ("docs/.room", False),
        (".room.md", False),
    ],
)
def test_reserved_is_the_rooms_own_folder_in_any_case(path: str, expected: bool) -> None:
    assert is_reserved(path) is expected


def test_composing_never_makes_a_character_that_has_a_meaning() -> None:
    makers = [
        chr(point)
        for point in range(0x80, sys.maxunicode + 1)
        if set(unicodedata.normalize("NFC", chr(point))) & set("/\\.*")
    ]

    assert makers == []


@given(paths)
def test_normalising_twice_changes_nothing(path: str) -> None:
    once = normalise(path)

    assert normalise(once) == once


@given(paths)
def test_all_unicode_spellings_of_a_path_are_one(path: str) -> None:
    assert normalise(unicodedata.normalize("NFD", path)) == normalise(path)


@given(paths, st.lists(st.sampled_from(["/", "./", "//"]), max_size=4).map("".join))
def test_what_stands_before_and_after_a_path_does_not_matter(path: str, before: str) -> None:
    assert normalise(f"{before}{path}/") == normalise(path)


@given(any_text)
def test_any_text_is_refused_or_becomes_a_safe_path(text: str) -> None:
    try:
        path = normalise(text)
    except Malformed:
        return

    segments = path.split("/")
    assert not {"", ".", ".."} & set(segments)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in path)
    assert "\\" not in path
    assert len(path.encode()) <= BYTES_MAX


@given(any_text)
def test_any_text_is_refused_or_becomes_a_stable_pattern(text: str) -> None:
    try:
        pattern = normalise_pattern(text)
    except Malformed:
        return

    assert normalise_pattern(pattern) == pattern


@given(paths, names)
def test_folder_pattern_covers_exactly_what_lies_in_the_folder(folder: str, name: str) -> None:
    pattern = normalise_pattern(f"/{folder}/*")

    prefix = pattern.removesuffix("*")
    assert normalise(f"{folder}/{name}").startswith(prefix)
    assert not normalise(folder).startswith(prefix)
