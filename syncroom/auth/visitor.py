"""Somebody who asks to come in: what is known of them before it is known who they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Visitor:
    """One request, to open a document or over HTTP. Nothing in it is proved."""

    room: str
    """The room that is asked for, as the client spells it."""
    path: str
    """The document, as the client spells it; empty where none is named."""
    token: str | None = field(repr=False)
    """The participant token, not checked; None where there is none."""
    headers: Mapping[str, str] = field(repr=False)
    """By name, in any case; of a header that comes twice, the first."""
    query: Mapping[str, str] = field(repr=False)
    """What stands behind ``?``, by name."""
    address: str
    """Where the client is, as far as proxies that are trusted say."""

    @property
    def is_early(self) -> bool:
        """Whether a MeshAgent SDK older than 0.42 asks: later ones say their version, or put the
        token elsewhere."""
        return "token" in self.query and "v" not in self.query

    @property
    def where(self) -> dict[str, str]:
        """What a log line says about the request."""
        return {"room": self.room, "path": self.path, "address": self.address}
