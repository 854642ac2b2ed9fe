"""Ports that are a test's own, whatever else runs on the machine."""

from __future__ import annotations

import socket


def hold_port() -> socket.socket:
    """A port that nobody else gets until the socket is closed.

    It is bound and never listens: a server that allows the address to be used again, as servers
    do, may listen there, and where none does, connections are refused.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def number_of(held: socket.socket) -> int:
    """Its number."""
    number: int = held.getsockname()[1]
    return number
