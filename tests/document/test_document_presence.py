"""Presence in an open document: whose state is whose, and who hears of it when."""

from __future__ import annotations

import pytest

from syncroom.errors import LimitExceeded, Malformed
from tests.document.fakes import turn
from tests.document.scene import NOW_MS, Scene
from tests.support import wire


async def test_a_state_goes_to_the_others_and_not_to_its_owner() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")

    scene.document.present(ann, wire.states(wire.State(1, 3, {"cursor": 5})))
    await turn()

    assert ann.deliveries == []
    (state,) = ben.states()
    assert (state.client, state.clock > 3) == (1, True)
    assert state.value == {
        "cursor": 5,
        "user": {"id": "id-of-ann", "name": "ann", "role": "user"},
    }


async def test_everyone_is_all_but_the_asker_under_a_number_that_nobody_has_seen() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann", client=1), scene.peer("ben", client=2)
    await turn()

    (to_newcomer,) = wire.messages(scene.document.everyone(scene.peer("cleo")))
    (to_ann,) = wire.messages(scene.document.everyone(ann))

    assert {state.client for state in to_newcomer.states} == {1, 2}
    assert [state.client for state in to_ann.states] == [2]
    assert [state.value for state in to_ann.states] == [state.value for state in ann.states()]
    assert to_ann.states[0].clock > ann.states()[0].clock
    assert len(ben.states()) == 1


async def test_who_lagged_is_told_who_left_meanwhile() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann", client=1), scene.peer("ben")
    await turn()
    known = scene.document.present_clients()
    scene.document.leave(ann)

    (told,) = wire.messages(scene.document.everyone(ben, known))

    assert [(state.client, state.value) for state in told.states] == [(1, None)]


async def test_who_leaves_is_gone_for_the_others_at_once() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann", client=1), scene.peer("ben")
    await turn()

    scene.document.leave(ann)
    await turn()

    assert [state.value is None for state in ben.states()] == [False, True]
    assert ben.states()[1].clock > ben.states()[0].clock
    assert scene.document.everyone(ben) == b""


async def test_who_comes_back_with_the_same_client_id_is_seen_again() -> None:
    scene = Scene()
    ben = scene.peer("ben")
    clocks = []
    for _ in range(3):
        ann = scene.peer("ann", client=1)
        await turn()
        scene.document.leave(ann)
        await turn()
        clocks = [state.clock for state in ben.states()]

    assert clocks == sorted(set(clocks))
    assert len(clocks) == 6


async def test_a_second_connection_takes_over_and_the_first_one_leaves_nothing_behind() -> None:
    scene = Scene()
    ben = scene.peer("ben")
    first = scene.peer("ann", client=1)
    second = scene.peer("ann", client=1)
    await turn()

    scene.document.leave(first)
    await turn()

    assert all(state.value is not None for state in ben.states())
    assert second.client_id == 1
    assert scene.document.everyone(ben) != b""


async def test_what_is_said_of_others_is_passed_over() -> None:
    scene = Scene()
    scene.peer("ann", client=1)
    ben, reader = scene.peer("ben", client=2), scene.peer("cleo")
    await turn()
    seen = len(reader.states())

    for forged in (
        wire.State(1, 2**53 - 1, None),
        wire.State(1, 99, {"user": {"name": "forged"}}),
        wire.State(77, 1, {"user": {"name": "invented"}}),
    ):
        scene.document.present(ben, wire.states(forged))
    await turn()

    assert len(reader.states()) == seen


async def test_an_echo_of_another_is_no_claim_to_its_client_id() -> None:
    scene = Scene()
    ann = scene.peer("ann", client=1)
    await turn()
    scene.document.leave(ann)
    ben = scene.peer("ben")

    scene.document.present(ben, wire.states(wire.State(1, NOW_MS + 5, {"user": {}})))
    scene.document.present(ben, wire.states(wire.State(9, 4, None)))

    assert ben.client_id is None
    scene.document.present(ben, wire.states(wire.State(2, 0, {})))
    assert ben.client_id == 2


async def test_a_state_is_bounded_in_bytes() -> None:
    scene = Scene(presence_bytes_max=1000)
    ann = scene.peer("ann", client=1)

    scene.document.present(ann, _raw_state(1, '{"a":"' + "x" * 992 + '"}'))
    for text in ('{"a":"' + "x" * 993 + '"}', '{"a":"' + "é" * 500 + '"}'):
        with pytest.raises(LimitExceeded, match="bytes"):
            scene.document.present(ann, _raw_state(1, text))


async def test_a_state_is_relayed_no_longer_than_it_came() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann", client=1), scene.peer("ben")
    text = "😀é中" * 1000

    scene.document.present(ann, wire.states(wire.State(1, 1, {"a": text})))
    await turn()

    (message,) = (m for m in ben.heard("awareness") if len(m.payload) > 1000)
    assert len(message.payload) < len(text.encode()) + 200


@pytest.mark.parametrize("text", ["", "5", "[]", "NaN", '{"a":"\\ud800"}'])
async def test_a_state_that_is_no_object_is_refused(text: str) -> None:
    scene = Scene()
    ann = scene.peer("ann", client=1)

    with pytest.raises(Malformed):
        scene.document.present(ann, _raw_state(1, text))


def _raw_state(client: int, text: str) -> bytes:
    return b"\1" + wire.varuint(client) + b"\1" + wire.string(text)
