"""
What all grants of an ApiScope share: how they are read, how they are written, how names match.

A grant that is present allows its API, with the defaults of its fields; a list that is absent
allows everything, an empty one nothing. Unknown fields are ignored, because tokens come from
clients of other versions; a field of the wrong type is refused with the whole token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

if TYPE_CHECKING:
    from collections.abc import Iterable

Names: TypeAlias = list[str]
"""A list of names in a grant. (Some grants have a field called ``list``, hence the alias.)"""


class Grant(BaseModel):
    """One part of an ApiScope."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    def to_json(self) -> dict[str, JsonValue]:
        """Return what goes into a token: only what differs from the defaults."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed, which line of the grant says so, and why."""

    allowed: bool
    why: str
    line: int | None = None
    """The index of the line that decides; None where no line does."""


def matches(pattern: str, value: str) -> bool:
    """Whether a pattern names a value: it is equal, or it ends in ``*`` and begins the value."""
    return value == pattern or (pattern.endswith("*") and value.startswith(pattern[:-1]))


def any_matches(patterns: Iterable[str] | None, value: str) -> bool:
    """Whether one of the patterns names a value; without a list, everything is named."""
    return patterns is None or any(matches(pattern, value) for pattern in patterns)


def contains(names: Iterable[str] | None, name: str) -> bool:
    """Whether a name is listed, letter for letter; without a list, every name is."""
    return names is None or name in names
