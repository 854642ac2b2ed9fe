"""
How much processor time the messages of each participant may take.

One process serves everybody, so what takes long keeps others waiting. A participant whose messages
took long, one after the other, rests as long: meanwhile others are read, and what they write comes
on disk, for which another thread needs the interpreter. One that took more than its share rests
until it is within that again. What it sends is taken later, and nobody else's is.
"""

from __future__ import annotations

_FREE_S = 0.0001
"""What takes less, nearly every message of an editor, is not counted."""

_BURST_S = 1.0
"""A participant may use its share of so much time at once."""

_TURN_S = 0.02
"""So much a participant may take at once before it rests for as long as it took."""

_REMEMBERED_MAX = 10_000
"""Participants remembered at one time; who was quiet for longest is forgotten first."""


class Allowances:
    """The processor time of the participants of one room.

    Args:
        share: of one core, for each participant; 0.2 is 200 ms in each second.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._debts: dict[str, tuple[float, float]] = {}
        """When the time that a participant took will be paid with its share, and when it will have
        rested for as long."""

    def spend(self, participant: str, seconds: float, now: float) -> None:
        """Count what a message of a participant took that ended now."""
        if seconds < _FREE_S:
            return
        began = now - seconds
        paid, rested = self._debts.pop(participant, (began, began))
        self._debts[participant] = (
            max(paid, began) + seconds / self._share,
            max(rested, began) + seconds * 2,
        )
        if len(self._debts) > _REMEMBERED_MAX:
            del self._debts[next(iter(self._debts))]

    def rest_s(self, participant: str, now: float) -> float:
        """How long nothing more of a participant is to be taken; 0 or less if it may go on."""
        paid, rested = self._debts.get(participant, (now, now))
        turn_s = rested - now
        return max(paid - now - _BURST_S, turn_s if turn_s > _TURN_S else 0.0)
