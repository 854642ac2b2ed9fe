"""
How long a client is held that comes back with what was refused before.

Providers send again what was not taken, and dial again when they are closed: a client with an
oversized or malformed change would do so without end. Each time costs it a longer hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncroom.limits import Limits


class Offences:
    """Who was refused for what, and when; the oldest are forgotten first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._holds: dict[tuple[str, int], tuple[float, float]] = {}
        """For an offender and a close code, the last hold and when it began; the newest last."""

    def __len__(self) -> int:
        return len(self._holds)

    def hold_s(self, offender: str, code: int, now: float) -> float:
        """How long to hold an offender this time."""
        limits = self._limits
        last_s, began = self._holds.pop((offender, code), (0.0, now))
        hold_s = limits.refusal_s
        if last_s and now - began - last_s < limits.offence_s:
            hold_s = max(hold_s, min(last_s * limits.refusal_growth, limits.refusal_s_max))
        self._holds[offender, code] = hold_s, now
        if len(self._holds) > limits.offenders_max:
            del self._holds[next(iter(self._holds))]
        return hold_s
