"""How long those are held that come back with the same offence."""

from __future__ import annotations

import pytest

from syncroom.limits import Limits
from syncroom.server.offences import Offences

LIMITS = Limits(refusal_s=5, refusal_growth=2, refusal_s_max=30, offence_s=100, offenders_max=3)


def test_each_time_is_longer_up_to_the_longest() -> None:
    offences = Offences(LIMITS)
    now, holds = 0.0, []

    for _ in range(6):
        holds.append(offences.hold_s("ann", 1009, now))
        now += holds[-1]

    assert holds == [5, 10, 20, 30, 30, 30]


@pytest.mark.parametrize(("pause_s", "hold_s"), [(99, 10), (100, 5), (101, 5)])
def test_an_offence_that_is_not_repeated_is_forgotten(pause_s: float, hold_s: float) -> None:
    offences = Offences(LIMITS)
    first = offences.hold_s("ann", 1009, 0)

    assert offences.hold_s("ann", 1009, first + pause_s) == hold_s


def test_others_and_other_offences_are_not_held_longer() -> None:
    offences = Offences(LIMITS)
    offences.hold_s("ann", 1009, 0)

    assert offences.hold_s("ben", 1009, 0) == 5
    assert offences.hold_s("ann", 1007, 0) == 5


def test_no_more_offenders_are_remembered_than_are_allowed_and_the_oldest_go_first() -> None:
    offences = Offences(LIMITS)
    for name in ("ann", "ben", "cleo", "ann", "dora"):
        offences.hold_s(name, 1009, 0)

    assert len(offences) == 3
    assert offences.hold_s("ann", 1009, 0) == 20
    assert offences.hold_s("ben", 1009, 0) == 5


def test_a_hold_is_never_shorter_than_the_usual_one() -> None:
    offences = Offences(Limits(refusal_s=5, refusal_s_max=1))
    offences.hold_s("ann", 1009, 0)

    assert offences.hold_s("ann", 1009, 0) == 5
