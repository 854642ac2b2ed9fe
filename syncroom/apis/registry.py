"""The APIs of one room: found by the name of their toolkit, or by the path of what they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncroom.apis.agents import Agents
    from syncroom.apis.base import Caller, Toolkit
    from syncroom.apis.live_map import LiveList, LiveMap
    from syncroom.apis.messaging import Messaging


class Registry:
    """All of them.

    Args:
        messaging: the messages of the room.
        agents: the toolkits that its participants host.
        others: the rest.
    """

    def __init__(self, messaging: Messaging, agents: Agents, *others: Toolkit) -> None:
        self.messaging = messaging
        self.agents = agents
        self.toolkits: dict[str, Toolkit] = {each.name: each for each in (messaging, *others)}
        """The room's own, by name; what `agents` offers is asked for by messages of its own."""

    @property
    def maps(self) -> list[LiveMap | LiveList]:
        """What the APIs show of their state."""
        shown = [each.map for each in (self.agents, *self.toolkits.values())]
        return [each for each in shown if each is not None]

    async def occupies(self, path: str) -> bool:
        """Whether something else than a document is at a path."""
        for each in self.toolkits.values():
            if await each.occupies(path):
                return True
        return False

    def leave(self, caller: Caller) -> None:
        """Let go of all that a caller has here, for it is gone."""
        for each in (self.agents, *self.toolkits.values()):
            each.leave(caller)
