"""Whether the records of a document are such as a server would accept, each after the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.document.state import DocumentState
from syncroom.errors import Malformed
from syncroom.protocol.update import read_update

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def find_unsound(
    records: Iterable[tuple[int, Sequence[bytes]]], depth_max: int
) -> list[tuple[int, str]]:
    """What is wrong with updates, by the number of the record that they stand in."""
    found = []
    state = DocumentState()
    for seq, updates in records:
        for data in updates:
            try:
                update = read_update(data, depth_max)
                if state.gap(update) is not None:
                    raise Malformed("it builds on something that is missing")
                state.new_part(update, depth_max)
            except Malformed as error:
                found.append((seq, str(error)))
                continue
            state.apply(update)
    return found
