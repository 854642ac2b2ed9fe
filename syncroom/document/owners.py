"""
Whose a client id is.

A client id belongs to the participant that presented itself with it, while that one is here:
nobody else writes new history or presence under it. One connection has one client id, the first
that it presents in awareness, or else the first that it writes a change with; whatever else it
brings is somebody's history passed on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.protocol import varint

if TYPE_CHECKING:
    from syncroom.document.peer import Peer


class Owners:
    """The client ids of the peers of one document."""

    def __init__(self) -> None:
        self._peers: dict[int, Peer] = {}

    def claim(self, peer: Peer, client: int) -> bool:
        """Make a client id a peer's own, unless it belongs to another participant.

        A participant that comes back takes it over from its own earlier connection, which the
        server may not know to be dead yet.
        """
        if self.is_foreign(peer, client):
            return False
        earlier = self._peers.get(client)
        if earlier is not None:
            earlier.client_id, earlier.client_bytes = None, b""
        self._peers[client] = peer
        peer.client_id, peer.client_bytes = client, varint.encode(client)
        return True

    def release(self, peer: Peer) -> int | None:
        """Take the client id of a peer that leaves, if it has one."""
        client = peer.client_id
        if client not in self._peers:  # that of an author belongs to nobody
            return None
        del self._peers[client]
        peer.client_id, peer.client_bytes = None, b""
        return client

    def is_foreign(self, peer: Peer, client: int) -> bool:
        """Whether a client id belongs to another participant than a peer's."""
        owner = self._peers.get(client)
        return owner is not None and owner.participant.id != peer.participant.id
