"""Ranges of clocks against a plain set of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syncroom.document.ranges import Ranges
from tests.properties import examples

pieces = st.tuples(st.integers(0, 40), st.integers(1, 9)).map(lambda p: (p[0], p[0] + p[1]))
batches = st.lists(st.lists(pieces, max_size=6), max_size=6)
HALF = 250_000
large_batches = st.lists(st.lists(pieces, min_size=257, max_size=300), min_size=1, max_size=2)


def _build(given_batches: list[list[tuple[int, int]]]) -> tuple[Ranges, set[int]]:
    ranges = Ranges()
    model: set[int] = set()
    for batch in given_batches:
        ranges.add(batch)
        model.update(number for first, end in batch for number in range(first, end))
    return ranges, model


@examples(300)
@given(batches)
def test_it_holds_what_was_added_in_ranges_that_neither_touch_nor_overlap(
    given_batches: list[list[tuple[int, int]]],
) -> None:
    ranges, model = _build(given_batches)

    assert {number for number in range(60) if number in ranges} == model
    assert {number for first, end in ranges for number in range(first, end)} == model
    assert all(first < end for first, end in ranges)
    assert all(end < first for (_, end), (first, _) in pairwise(ranges))


@examples(15)
@given(batches, large_batches)
def test_many_ranges_at_once_are_added_like_few(
    few: list[list[tuple[int, int]]], many: list[list[tuple[int, int]]]
) -> None:
    ranges, model = _build([*few, *many])

    assert {number for first, end in ranges for number in range(first, end)} == model


@examples(300)
@given(batches, pieces)
def test_what_is_missing_is_what_the_set_does_not_hold(
    given_batches: list[list[tuple[int, int]]], piece: tuple[int, int]
) -> None:
    ranges, model = _build(given_batches)

    holes = ranges.missing(*piece)

    assert [n for first, end in holes for n in range(first, end)] == sorted(
        set(range(*piece)) - model
    )
    assert all(first < end for first, end in holes)


def test_nothing_is_missing_from_nothing() -> None:
    assert Ranges().missing(5, 5) == []
    assert Ranges().missing(5, 7) == [(5, 7)]
    assert list(Ranges()) == []


def test_half_a_million_ranges_join_in_the_worst_order() -> None:
    ranges = Ranges()

    ranges.add([(2 * number, 2 * number + 1) for number in reversed(range(HALF))])
    ranges.add([(2 * number + 1, 2 * number + 2) for number in reversed(range(HALF))])

    assert list(ranges) == [(0, 2 * HALF)]


@examples(100)
@given(batches, st.integers(0, 5))
def test_what_is_within_is_what_the_set_holds_and_missing_stops(
    given_batches: list[list[tuple[int, int]]], most: int
) -> None:
    ranges, model = _build(given_batches)

    within = {number for first, end in ranges.within(10, 50) for number in range(first, end)}
    some = ranges.missing(10, 50, most)

    assert within == {number for number in model if 10 <= number < 50}
    whole = ranges.missing(10, 50)
    assert some == whole if len(whole) <= most else len(some) > most
