"""
Who is in a room.  State: `.room/participants`.  Grant: `messaging`, with `list`.

Editors are one entry for each participant, however many documents it has open. Those that call
tools are one entry for each connection: each has attributes of its own, and can be written to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.apis.live_map import LiveMap
from syncroom.auth.paths import PARTICIPANTS_PATH

if TYPE_CHECKING:
    from syncroom.apis.base import Caller
    from syncroom.auth.participant import Participant


class Participants:
    """The participants of one room, whatever they speak."""

    def __init__(self) -> None:
        self.map = LiveMap(PARTICIPANTS_PATH, self._entries)
        self.members: dict[str, Caller] = {}
        """Those that call tools and can be written to, by id."""
        self._editors: dict[str, tuple[Participant, int]] = {}

    def __len__(self) -> int:
        return len(self._editors) + len(self.members)

    def join(self, participant: Participant) -> None:
        """Count a connection of an editor."""
        self._count(participant, +1)

    def leave(self, participant: Participant) -> None:
        """Count a connection less; the participant is gone with its last one."""
        self._count(participant, -1)

    def enter(self, member: Caller) -> None:
        """Take in a participant that calls tools."""
        self.members[member.id] = member
        self.show(member)

    def exit(self, member: Caller) -> None:
        """Let such a participant go."""
        del self.members[member.id]
        self.map.remove(member.id)

    def show(self, member: Caller) -> None:
        """Let everybody see what a participant says of itself now."""
        self.map.set(member.id, _of_member(member))

    def is_editor(self, identity: str) -> bool:
        """Whether an id is of a participant that is here and only edits."""
        return identity in self._editors

    def _count(self, participant: Participant, change: int) -> None:
        connections = self._editors.get(participant.id, (participant, 0))[1] + change
        if connections:
            self._editors[participant.id] = participant, connections
            self.map.set(participant.id, _of_editor(participant, connections))
        else:
            del self._editors[participant.id]
            self.map.remove(participant.id)

    def _entries(self) -> dict[str, dict[str, object]]:
        editors = {key: _of_editor(*value) for key, value in self._editors.items()}
        return {**editors, **{key: _of_member(each) for key, each in self.members.items()}}


def _of_editor(participant: Participant, connections: int) -> dict[str, object]:
    return {
        "id": participant.id,
        "name": participant.name,
        "role": participant.role,
        "connections": connections,
    }


def _of_member(member: Caller) -> dict[str, object]:
    return {
        "id": member.id,
        "name": member.participant.name,
        "role": member.participant.role,
        "connections": 1,
        "attributes": member.attributes,
    }
