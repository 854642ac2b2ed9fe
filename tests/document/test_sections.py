"""A document taken apart: what is cut off for somebody is what native code would cut off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import get_update

from syncroom.document import sections
from syncroom.document.sections import Sections
from syncroom.errors import Malformed
from syncroom.protocol import state_vector
from syncroom.protocol.update import read_update
from tests.properties import examples
from tests.protocol import craft
from tests.protocol.honest import Step, play, steps
from tests.support import wire

DEPTH = 64


def _typed(client: int, clock: int, count: int) -> bytes:
    """So many letters, each a struct of its own."""
    structs = [craft.behind(4, wire.string("x"), (client, clock + at - 1)) for at in range(count)]
    return craft.update(craft.section(client, clock, *structs))


def _shape(update: bytes) -> object:
    """What is in an update; None where a vector ended within a character, as honest ones do not."""
    try:
        read = read_update(update, DEPTH)
    except Malformed:
        return None
    deleted = {(client, unit) for client, *ends in read.deletes for unit in range(*ends)}
    return [(each.client, each.clocks) for each in read.sections], deleted


@pytest.mark.parametrize("stride", [1, 3, 256])
@examples(40)
@given(steps, st.lists(st.integers(0, 40), min_size=4, max_size=4), st.data())
def test_what_is_cut_off_is_what_native_code_cuts_off(
    stride: int, script: list[Step], held: list[int], data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sections, "_STRIDE", stride)
        updates = [read_update(each, DEPTH) for each in play(script).updates]
        parts = data.draw(st.integers(0, len(updates)))
        here, later = Sections(), Sections()
        for update in updates[:parts]:
            here.add(update)
        for update in updates[parts:]:
            later.add(update)
        here.extend(later)
        whole = here.encode()
        clients = sorted(section.client for section in read_update(whole, DEPTH).sections)
        vector = dict(zip(clients, held, strict=False))

        cut = here.since(vector)

    # native code writes the JSON of formats anew, with its keys in any order
    assert _shape(cut.encode()) == _shape(get_update(whole, state_vector.encode(vector)))
    assert here.encode() == whole


@pytest.mark.parametrize("clock", [1, 2, 255, 256, 257, 511, 512, 700, 998, 999])
def test_a_long_history_is_cut_anywhere_and_goes_on(clock: int) -> None:
    here = Sections(read_update(craft.update(craft.section(5, 0, craft.string("x"))), DEPTH))
    here.add(read_update(_typed(5, 1, 600), DEPTH))
    for at in range(601, 999):
        here.add(read_update(_typed(5, at, 1), DEPTH))
    vector = state_vector.encode({5: clock})

    cut = here.since({5: clock})

    expected = get_update(here.encode(), vector) if clock < 999 else wire.NOTHING
    assert cut.encode() == here.encode_since({5: clock}) == expected
    more = read_update(_typed(5, 999, 300), DEPTH)
    here.add(more)
    cut.extend(Sections(more)) if clock < 999 else cut.add(more)
    assert cut.encode() == get_update(here.encode(), vector)
    assert cut.since({5: 1100}).encode() == get_update(here.encode(), b"\1\5\xcc\10")


def test_many_histories_are_cut_at_once() -> None:
    here = Sections()
    for client in range(1, 201):
        here.add(read_update(craft.update(craft.section(client, 0, craft.string("xy"))), DEPTH))
    vector = dict.fromkeys(range(1, 101), 1)

    cut = here.encode_since(vector)

    assert (
        cut == here.since(vector).encode() == get_update(here.encode(), state_vector.encode(vector))
    )


def test_nothing_is_nothing() -> None:
    assert not Sections()
    assert Sections(read_update(craft.update(craft.section(1, 0, craft.gc(1))), DEPTH))
    assert Sections(read_update(craft.update(deletes={1: [(0, 1)]}), DEPTH))
