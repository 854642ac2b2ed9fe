"""Updates that pass the vet and that native code does not survive reading."""

from __future__ import annotations

from tests.protocol import craft
from tests.support import wire

_TYPE, _ARRAY = 7, b"\0"


def poison(client: int = 7) -> bytes:
    """A list in a list with an emoji in it that is text: native code reads it without end."""
    outer = craft.in_root(_TYPE, _ARRAY, "list")
    inner = craft.in_parent(craft.STRING, wire.string("a😀b"), (client, 0))
    return craft.update(craft.section(client, 0, outer, inner))
