"""An open document: one order, one delivery for each peer and turn, nothing confirmed too early."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pycrdt
import pytest

from syncroom.document.document import Document, Outcome
from syncroom.errors import Denied, LimitExceeded, Malformed, Unavailable
from syncroom.limits import Limits
from syncroom.metrics import Metrics
from syncroom.protocol import state_vector
from syncroom.protocol.state_vector import CLOCK_MAX
from tests.document.fakes import WIRE, Disk, FakePeer, PlainWire, turn
from tests.protocol import craft
from tests.protocol.honest import Replica
from tests.support import wire

NOW_MS = 1_760_000_000_000


class Scene:
    """A document with a disk that obeys and a clock that ticks when it is read."""

    def __init__(self, *, is_kept: bool = True, **limits: float) -> None:
        self.disk = Disk()
        ticks = count(NOW_MS)
        self.document = Document(
            "notes",
            "0" * 32,
            keep=self.disk.keep if is_kept else None,
            limits=Limits(**limits),
            metrics=Metrics(),
            loop=asyncio.get_running_loop(),
            now_ms=lambda: next(ticks),
        )

    def peer(self, name: str = "ann", client: int | None = None, **made: Any) -> FakePeer:
        peer = FakePeer(name, **made)
        self.document.join(peer)
        if client is not None:
            self.document.present(peer, wire.states(wire.State(client, 0, {})))
        return peer

    def take(self, peer: FakePeer, data: bytes, *, live: bool = True) -> Outcome:
        return self.document.accept(peer, data, live=live)

    def text(self) -> str:
        reader = Replica(98)
        for message in wire.messages(self.document.answer(WIRE, b"\0")):
            reader.learn(message.payload)
        return reader.text()

    def clocks(self) -> dict[int, int]:
        return state_vector.decode(self.document.vector())


def _first(client: int, text: str = "x") -> bytes:
    return craft.update(craft.section(client, 0, craft.string(text)))


def _next(client: int, clock: int, text: str = "x") -> bytes:
    """A keystroke behind the last unit of its own client."""
    struct = craft.behind(4, wire.string(text), (client, clock - 1))
    return craft.update(craft.section(client, clock, struct))


# -- turns


async def test_a_turn_is_one_delivery_for_each_peer_in_the_order_of_arrival() -> None:
    scene = Scene()
    ann, ben, reader = scene.peer("ann"), scene.peer("ben"), scene.peer("cleo")
    updates = [_first(1), _first(2), _next(1, 1), _next(1, 2)]

    for writer, data in zip((ann, ben, ann, ann), updates, strict=True):
        assert scene.take(writer, data) is Outcome.TAKEN
    assert reader.deliveries == []
    await turn()

    assert len(reader.deliveries) == len(ann.deliveries) == len(ben.deliveries) == 1
    assert reader.updates() == updates
    assert ann.updates() == [updates[1]]
    assert ben.updates() == [updates[0], updates[2], updates[3]]


async def test_each_wire_is_given_its_own_bytes_once() -> None:
    class CountingWire(PlainWire):
        encoded = 0

        def updates(self, updates: Any) -> bytes:
            CountingWire.encoded += 1
            return super().updates(updates)

    other = CountingWire()
    scene = Scene()
    ann = scene.peer("ann")
    readers = [scene.peer("ben", wire=other) for _ in range(5)]

    scene.take(ann, _first(1))
    await turn()

    assert CountingWire.encoded == 1
    assert all(reader.updates() == [_first(1)] for reader in readers)


async def test_what_one_peer_sends_in_a_turn_is_one_record() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")

    scene.take(ann, _first(1))
    scene.take(ann, _next(1, 1))
    scene.take(ben, _first(2))
    scene.take(ann, _next(1, 2))
    await turn()

    records = scene.disk.records
    assert [record.participant for record in records] == ["id-of-ann", "id-of-ben", "id-of-ann"]
    assert [record.clients for record in records] == [(1,), (2,), (1,)]
    assert [len(record.updates) for record in records] == [2, 1, 1]
    assert all(NOW_MS <= record.time_ms < NOW_MS + 100 for record in records)


async def test_presence_and_updates_of_a_turn_go_out_together() -> None:
    scene = Scene()
    ann, reader = scene.peer("ann"), scene.peer("ben")

    scene.document.present(ann, wire.states(wire.State(1, 0, {"cursor": 5})))
    scene.take(ann, _first(1))
    await turn()

    assert len(reader.deliveries) == 1
    assert [message.kind for message in reader.deliveries[0]] == ["update", "awareness"]
    assert ann.deliveries == []


async def test_who_asks_in_the_middle_of_a_turn_is_answered_with_all_of_it() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    scene.take(ann, _first(1, "abc"))

    assert scene.text() == "abc"
    scene.take(ann, _next(1, 3, "d"))
    assert scene.text() == "abcd"
    await turn()

    assert [record.updates for record in scene.disk.records] == [
        (_first(1, "abc"),),
        (_next(1, 3, "d"),),
    ]


# -- durability


async def test_a_writer_hears_its_own_update_when_it_is_on_disk_and_not_before() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    scene.take(ann, _first(1))
    await turn()
    assert (ann.deliveries, scene.document.unsaved) == ([], 1)

    scene.disk.sync()
    assert (ann.deliveries, scene.document.unsaved) == ([], 0)
    await turn()

    assert ann.updates() == [_first(1)]


async def test_a_commit_of_many_records_is_one_confirmation_for_each_writer() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    updates = [_first(1), _next(1, 1), _next(1, 2)]
    for data in updates:
        scene.take(ann, data)
        await turn()

    scene.disk.sync()
    await turn()

    assert len(ann.deliveries) == 1
    assert ann.updates() == updates


async def test_who_has_left_is_confirmed_nothing() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    scene.take(ann, _first(1))
    scene.document.leave(ann)
    await turn()

    scene.disk.sync()
    await turn()

    assert (ann.deliveries, scene.document.unsaved) == ([], 0)
    assert len(scene.disk.records) == 1


async def test_what_only_lives_in_memory_is_handed_to_no_disk() -> None:
    scene = Scene(is_kept=False)
    ann, ben = scene.peer("ann"), scene.peer("ben")

    scene.take(ann, _first(1))
    await turn()

    assert (scene.disk.records, scene.document.unsaved) == ([], 0)
    assert ben.updates() == [_first(1)]


async def test_while_the_disk_fails_nothing_is_taken_and_afterwards_everybody_is_asked() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")

    scene.document.set_failure("the disk is full")
    with pytest.raises(Unavailable, match="the disk is full"):
        scene.take(ann, _first(1))
    assert (ann.resyncs, scene.clocks()) == (0, {})
    scene.document.set_failure(None)

    assert (ann.resyncs, ben.resyncs) == (1, 1)
    assert scene.take(ann, _first(1)) is Outcome.TAKEN


# -- what is taken


async def test_what_is_known_is_neither_relayed_nor_stored() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")
    scene.take(ann, _first(1, "abc"))
    await turn()

    assert scene.take(ann, _first(1, "abc")) is Outcome.KNOWN
    assert scene.take(ann, _first(1, "ab"), live=False) is Outcome.KNOWN
    await turn()

    assert len(scene.disk.records) == len(ben.deliveries) == 1


async def test_a_change_with_a_gap_is_not_taken_and_of_an_answer_what_is_ready() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")
    both = craft.update(
        craft.section(1, 0, craft.string("ready")),
        craft.section(2, 0, craft.behind(4, b"\1x", (3, 0))),
    )

    assert scene.take(ann, both) is Outcome.GAP
    assert scene.clocks() == {}
    assert scene.take(ann, both, live=False) is Outcome.GAP
    await turn()

    assert scene.clocks() == {1: 5}
    assert ben.updates() == [_first(1, "ready")]


async def test_a_keystroke_is_vetted_like_everything_else() -> None:
    scene = Scene()
    ann = scene.peer("ann", client=1)
    scene.take(ann, _first(1))

    assert scene.take(ann, _next(1, 2)) is Outcome.GAP
    assert scene.take(ann, _next(1, 1)) is Outcome.TAKEN
    assert scene.take(ann, _next(1, 1)) is Outcome.KNOWN
    behind_unknown = craft.section(1, 2, craft.behind(4, b"\1x", (9, 0)))
    assert scene.take(ann, craft.update(behind_unknown)) is Outcome.GAP
    right = b"\xc4" + craft.unit((1, 0)) + craft.unit((9, 5)) + b"\1x"
    assert scene.take(ann, craft.update(craft.section(1, 2, right))) is Outcome.GAP
    with pytest.raises(Malformed):
        scene.take(ann, craft.update(craft.section(1, 2, craft.behind(4, b"\1x", (1, 2)))))

    assert scene.clocks() == {1: 2}


async def test_typing_by_the_short_way_and_by_the_long_way_is_the_same_text() -> None:
    known, unknown = Scene(), Scene()
    fast, slow = known.peer("ann", client=5), unknown.peer("ann", client=6)
    writer = Replica(5)
    for at, word in enumerate("the quick brown fox"):
        writer.doc.get("text", type=pycrdt.Text).insert((at * 3) % (at + 1), word)

    for data in writer.made:
        assert known.take(fast, data) is Outcome.TAKEN
        assert unknown.take(slow, data) is Outcome.TAKEN

    assert known.text() == unknown.text() == writer.text()
    assert known.clocks() == unknown.clocks()


async def test_typing_past_the_last_clock_of_all_is_refused_and_the_document_reloads() -> None:
    scene, again = Scene(), Scene()
    ann = scene.peer("ann", client=5)
    scene.take(ann, craft.update(craft.section(5, 0, craft.gc(CLOCK_MAX - 2))))

    with pytest.raises(Malformed):
        scene.take(ann, _next(5, CLOCK_MAX - 2, "abc"))
    assert scene.take(ann, _next(5, CLOCK_MAX - 2, "ab")) is Outcome.TAKEN

    stored = wire.messages(scene.document.answer(WIRE, b"\0"))[0].payload
    again.document.restore(stored)
    assert again.clocks() == {5: CLOCK_MAX}


async def test_a_document_goes_on_from_what_was_stored() -> None:
    scene = Scene()
    scene.document.restore(_first(1, "abc"))
    ann = scene.peer("ann", client=1)

    assert scene.take(ann, _first(1, "abc")) is Outcome.KNOWN
    assert scene.take(ann, _next(1, 3, "d")) is Outcome.TAKEN

    assert scene.text() == "abcd"


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\1",
        craft.update(craft.section(1, 1, craft.gc(1))),
        craft.update(deletes={1: [(0, 1)]}),
    ],
    ids=["nothing", "cut", "a hole", "deletions of nothing"],
)
async def test_what_was_stored_with_a_hole_is_no_document(stored: bytes) -> None:
    with pytest.raises(Malformed):
        Scene().document.restore(stored)


async def test_a_malformed_update_changes_nothing() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")
    half = craft.update(craft.section(1, 0, craft.string("good"), craft.gc(0)))

    for live in (True, False):
        with pytest.raises(Malformed):
            scene.take(ann, half, live=live)
    await turn()

    assert (scene.clocks(), scene.disk.records, ben.deliveries) == ({}, [], [])


# -- answers


async def test_an_answer_is_kept_until_something_changes() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    scene.take(ann, _first(1, "a"))

    first = scene.document.answer(WIRE, b"\0")
    assert scene.document.answer(WIRE, b"\0") is first
    scene.take(ann, _next(1, 1, "b"))

    assert scene.document.answer(WIRE, b"\0") is not first
    assert scene.text() == "ab"


async def test_questions_do_not_fill_memory() -> None:
    limit = 100_000
    scene = Scene(answers_bytes_max=limit)

    for number in range(2000):
        vector = state_vector.encode(dict.fromkeys(range(30), number + 1))
        scene.document.answer(WIRE, vector)

    kept = scene.document._answers
    held = sum(len(vector) + len(answer) for (_, vector), answer in kept.items())
    assert 0 < held < 2 * limit
    assert len(kept) < 1000


async def test_lacking_is_what_the_other_side_has_more_of() -> None:
    scene = Scene()
    scene.take(scene.peer(), _first(1, "abc"))

    assert not scene.document.lacks({})
    assert not scene.document.lacks({1: 3})
    assert scene.document.lacks({1: 4})
    assert scene.document.lacks({2: 1})


# -- ownership


async def test_a_live_client_id_is_written_with_by_its_participant_alone() -> None:
    scene = Scene()
    ann = scene.peer("ann", client=1)
    mallory = scene.peer("mallory", client=2)
    scene.take(ann, _first(1, "abc"))

    for forged in (_next(1, 3), craft.update(craft.section(1, 3, craft.gc(2**31 - 5)))):
        with pytest.raises(Denied, match="belongs to another"):
            scene.take(mallory, forged)
        assert scene.take(mallory, forged, live=False) is Outcome.GAP
    await turn()

    assert scene.clocks() == {1: 3}
    assert scene.take(ann, _next(1, 3)) is Outcome.TAKEN


async def test_known_structs_and_deletions_of_others_pass() -> None:
    scene = Scene()
    ann = scene.peer("ann", client=1)
    ben = scene.peer("ben", client=2)
    scene.take(ann, _first(1, "abc"))

    assert scene.take(ben, _first(1, "abc")) is Outcome.KNOWN
    assert scene.take(ben, craft.update(deletes={1: [(0, 1)]})) is Outcome.TAKEN

    assert scene.text() == "bc"


async def test_what_the_server_lost_may_be_brought_back_while_its_writer_is_away() -> None:
    scene = Scene()
    ben = scene.peer("ben", client=2)
    lost = craft.update(
        craft.section(1, 0, craft.string("lost")), craft.section(2, 0, craft.string("own"))
    )

    assert scene.take(ben, lost, live=False) is Outcome.TAKEN

    assert ben.client_id == 2
    assert scene.clocks() == {1: 4, 2: 3}


async def test_of_an_answer_the_structs_of_somebody_live_are_left_out() -> None:
    scene = Scene()
    scene.peer("ann", client=1)
    ben = scene.peer("ben", client=2)
    answer = craft.update(
        craft.section(1, 0, craft.string("forged")), craft.section(2, 0, craft.string("own"))
    )

    assert scene.take(ben, answer, live=False) is Outcome.GAP

    assert scene.clocks() == {2: 3}


async def test_the_first_change_claims_its_client_id_and_an_answer_none() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")

    scene.take(ann, _first(7), live=False)
    assert ann.client_id is None
    scene.take(ann, _next(7, 1))
    assert ann.client_id == 7

    with pytest.raises(Denied):
        scene.take(ben, _next(7, 2))
    scene.document.leave(ann)
    assert scene.take(ben, _next(7, 2)) is Outcome.TAKEN


# -- presence


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


async def test_what_a_full_document_refused_is_asked_for_when_compaction_made_room() -> None:
    scene = Scene(document_bytes_max=50)
    ann = scene.peer("ann")
    assert scene.take(ann, _first(1, "x" * 20)) is Outcome.TAKEN
    assert scene.take(ann, _first(2, "y" * 20)) is Outcome.FULL

    scene.document.begin_compaction()
    scene.document.end_compaction(_first(1, "x"))

    assert ann.resyncs == 1
    assert scene.take(ann, _first(2, "y" * 20)) is Outcome.TAKEN
