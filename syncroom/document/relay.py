"""
What a turn of a document brought, passed on: one write for each peer.

A peer that fails to be written to is sent away, and keeps nothing from the others.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from syncroom.errors import SyncroomError
from syncroom.logs import log_incident
from syncroom.protocol import awareness

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from syncroom.document.peer import Peer, Wire
    from syncroom.document.run import Run
    from syncroom.protocol.awareness import Entry

_log = logging.getLogger("syncroom.document.relay")


def relay(
    peers: Iterable[Peer],
    readers: Mapping[Wire, int],
    turn: list[Run],
    shown: Mapping[int, Entry],
) -> int:
    """Tell each peer what the others did, in order; returns how many bytes that is.

    Args:
        peers: everybody.
        readers: how many of them there are of each wire.
        turn: what was written, encoded.
        shown: what was said of presence, by client.
    """
    failed: list[tuple[Peer, Exception]] = []
    size = 0
    if len(turn) == 1 and not shown:  # as most turns are
        news, writer = turn[0].frames, turn[0].peer
        for wire, count in readers.items():
            size += len(news[wire]) * count
        for peer in peers:
            try:
                if peer is writer:
                    size -= len(news[peer.wire])
                else:
                    peer.deliver(news[peer.wire])
            except Exception as error:  # whatever it is, it is of that peer alone
                failed.append((peer, error))
    else:
        size = _relay_to_each(peers, readers, turn, shown, failed)
    for peer, fault in failed:
        _send_away(peer, fault)
    return size


def _relay_to_each(
    peers: Iterable[Peer],
    readers: Mapping[Wire, int],
    turn: list[Run],
    shown: Mapping[int, Entry],
    failed: list[tuple[Peer, Exception]],
) -> int:
    """Leave out for each peer what is its own."""
    news = {wire: b"".join([run.frames[wire] for run in turn]) for wire in readers}
    if shown:
        states = awareness.encode(shown.values())
        for wire in news:
            news[wire] += wire.presence(states)
    size = sum(len(news[wire]) * count for wire, count in readers.items())
    writers = {run.peer for run in turn}
    for peer in peers:
        try:
            if peer not in writers and peer.client_id not in shown:
                peer.deliver(news[peer.wire])
                continue
            own = b"".join([run.frames[peer.wire] for run in turn if run.peer is not peer])
            others = [entry for client, entry in shown.items() if client != peer.client_id]
            if others:
                own += peer.wire.presence(awareness.encode(others))
            size += len(own) - len(news[peer.wire])
            if own:
                peer.deliver(own)
        except Exception as error:  # as above
            failed.append((peer, error))
    return size


def give_back(peers: Container[Peer], saved: Mapping[Peer, Sequence[bytes]]) -> int:
    """Return to each writer who is still here what is saved of it, and say how many bytes that is.

    Args:
        peers: everybody.
        saved: their updates, each as the peer is sent them.
    """
    size = 0
    for peer, parts in saved.items():
        if peer not in peers:
            continue
        frames = b"".join(parts)
        try:
            peer.confirm(frames)
        except Exception as error:  # as above
            _send_away(peer, error)
        else:
            size += len(frames)
    return size


def _send_away(peer: Peer, error: Exception) -> None:
    incident = log_incident(
        _log, "a peer could not be written to", error, participant=peer.participant.id
    )
    try:
        peer.fail(SyncroomError(f"internal error, incident {incident}"))
    except Exception:  # it is being told on the way that failed
        _log.debug("nor could it be told, incident %s", incident, exc_info=True)
