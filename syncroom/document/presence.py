"""
Who is present in a document, and what each says of itself.

Clients ignore a state whose clock they have seen, also from before a reconnect. So the server
numbers what it relays itself: in milliseconds since 1970, and at least one higher on each send,
which stays above everything sent before, even by a server that was restarted meanwhile. Clients
count their own states from zero, so an entry in the server's numbers is an echo of a relayed one:
y-websocket repeats what it hears.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.protocol.awareness import GONE, Entry, write_state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncroom.auth.participant import Participant

_SERVER_CLOCK_MIN = 1 << 40
"""34 years after 1970, in milliseconds."""


def is_echo(entry: Entry) -> bool:
    """Whether an entry bears a number that a server gave it."""
    return entry.clock >= _SERVER_CLOCK_MIN


class Presence:
    """The states of the clients of one document."""

    def __init__(self) -> None:
        self._states: dict[int, str] = {}
        self._clock = 0

    def show(
        self, client: int, state: dict[str, object], participant: Participant, now_ms: int
    ) -> Entry:
        """Take a client's state, signed with who it is; the entry to relay."""
        user = state.get("user")
        named = {"id": participant.id, "name": participant.name, "role": participant.role}
        signed = {**state, "user": {**user, **named} if isinstance(user, dict) else named}
        self._states[client] = write_state(signed)
        return Entry(client, self._next_clock(now_ms), self._states[client])

    def leave(self, client: int, now_ms: int) -> Entry | None:
        """Forget a client; the entry that tells the others, or None if it was not present."""
        if self._states.pop(client, None) is None:
            return None
        return Entry(client, self._next_clock(now_ms), GONE)

    def clients(self) -> set[int]:
        """Who is present."""
        return set(self._states)

    def everyone(
        self, now_ms: int, *, without: int | None, known: Iterable[int] = ()
    ) -> list[Entry]:
        """All states, under a number that nobody has seen yet, for one that comes or comes back.

        Args:
            now_ms: the time in milliseconds since 1970.
            without: whose own state is left out.
            known: who was present when the asker last heard: it learns which of them left.
        """
        clock = self._next_clock(now_ms)
        left = dict.fromkeys(set(known).difference(self._states), GONE)
        told = {**left, **self._states}
        return [Entry(client, clock, state) for client, state in told.items() if client != without]

    def _next_clock(self, now_ms: int) -> int:
        self._clock = max(now_ms, self._clock + 1)
        return self._clock
