"""
How much processor time the messages of each participant may take.

One process serves everybody, so what takes long keeps others waiting. A participant whose messages
took more than its share rests: what it sends is taken later, and nobody else's is.
"""

from __future__ import annotations

_FREE_S = 0.0001
"""What takes less, nearly every message of an editor, is not counted."""

_BURST_S = 1.0
"""A participant may use its share of so much time at once."""

_REMEMBERED_MAX = 10_000
"""Participants remembered at one time; who was quiet for longest is forgotten first."""


class Allowances:
    """The processor time of the participants of one room.

    Args:
        share: of one core, for each participant; 0.2 is 200 ms in each second.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._paid: dict[str, float] = {}
        """When the time that a participant took will be paid with its share."""

    def spend(self, participant: str, seconds: float, now: float) -> None:
        """Count what a message of a participant took."""
        if seconds < _FREE_S:
            return
        paid = max(self._paid.pop(participant, now), now)
        self._paid[participant] = paid + seconds / self._share
        if len(self._paid) > _REMEMBERED_MAX:
            del self._paid[next(iter(self._paid))]

    def rest_s(self, participant: str, now: float) -> float:
        """How long nothing more of a participant is to be taken; 0 or less if it may go on."""
        return self._paid.get(participant, now) - now - _BURST_S
