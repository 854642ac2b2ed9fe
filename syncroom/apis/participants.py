"""
Who is in a room.  State: `.room/participants`.  Grant: `messaging`, with `list`.

The map names each participant once, however many connections it has. It is made when somebody
first watches it, and dropped with its last reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncroom.auth.participant import Participant
    from syncroom.document.maps import MapDocument

ROOT = "participants"


class Participants:
    """The participants of one room and the number of their connections."""

    def __init__(self) -> None:
        self._present: dict[str, tuple[Participant, int]] = {}
        self._map: MapDocument | None = None

    def __len__(self) -> int:
        return len(self._present)

    def join(self, participant: Participant) -> None:
        """Count a connection of a participant."""
        self._count(participant, +1)

    def leave(self, participant: Participant) -> None:
        """Count a connection less; the participant is gone with its last one."""
        self._count(participant, -1)

    def watch(self, document: MapDocument) -> None:
        """Keep a document up to date from now on."""
        document.open_map(ROOT)
        self._map = document
        for identity in self._present:
            document.set(identity, self._entry(identity))

    def unwatch(self) -> None:
        """Let go of the document."""
        self._map = None

    def _count(self, participant: Participant, change: int) -> None:
        connections = self._present.get(participant.id, (participant, 0))[1] + change
        if connections:
            self._present[participant.id] = participant, connections
        else:
            del self._present[participant.id]
        if self._map is None:
            return
        if connections:
            self._map.set(participant.id, self._entry(participant.id))
        else:
            self._map.remove(participant.id)

    def _entry(self, identity: str) -> dict[str, object]:
        participant, connections = self._present[identity]
        return {
            "id": participant.id,
            "name": participant.name,
            "role": participant.role,
            "connections": connections,
        }
