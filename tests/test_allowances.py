"""How long participants rest whose messages took long."""

from __future__ import annotations

import pytest

from syncroom.allowances import _REMEMBERED_MAX, Allowances


def test_who_stays_within_its_share_never_rests() -> None:
    allowances = Allowances(0.2)

    for number in range(1000):
        allowances.spend("ann", 0.01, number / 20)
        assert allowances.rest_s("ann", number / 20) <= 0


def test_who_takes_more_rests_until_it_is_within_its_share_again() -> None:
    allowances = Allowances(0.2)

    allowances.spend("ann", 0.6, now=10.6)

    assert allowances.rest_s("ann", 10.6) == pytest.approx(1.4)
    assert allowances.rest_s("ann", 11) == pytest.approx(1)
    assert allowances.rest_s("ann", 12) == pytest.approx(0)
    assert allowances.rest_s("ben", 10.6) <= 0


def test_who_takes_long_rests_for_as_long_also_within_its_share() -> None:
    allowances = Allowances(0.2)

    allowances.spend("ann", 0.01, now=10.01)
    assert allowances.rest_s("ann", 10.01) <= 0
    allowances.spend("ann", 0.02, now=10.03)

    assert allowances.rest_s("ann", 10.03) == pytest.approx(0.03)
    assert allowances.rest_s("ann", 10.061) <= 0
    assert allowances.rest_s("ben", 10.03) <= 0


def test_what_takes_next_to_nothing_is_not_counted() -> None:
    allowances = Allowances(0.2)

    for _ in range(100_000):
        allowances.spend("ann", 0.00005, now=10)

    assert allowances.rest_s("ann", 10) <= 0


def test_who_was_quiet_for_longest_is_forgotten_first() -> None:
    allowances = Allowances(0.2)

    for number in range(_REMEMBERED_MAX):
        allowances.spend(f"participant {number}", 1, now=10)
    allowances.spend("participant 0", 1, now=10)
    allowances.spend("one more", 1, now=10)

    assert allowances.rest_s("participant 1", 10) <= 0
    assert allowances.rest_s("participant 0", 10) > 0
