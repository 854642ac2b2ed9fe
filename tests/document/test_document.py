"""An open document: one order, one delivery for each peer and turn, nothing confirmed too early."""

from __future__ import annotations

from typing import Any, NoReturn

import pycrdt
import pytest

from syncroom.document.document import Outcome
from syncroom.errors import Denied, Malformed, Unavailable
from syncroom.protocol import state_vector
from syncroom.protocol.state_vector import CLOCK_MAX
from syncroom.protocol.update import read_update
from tests.document.fakes import WIRE, PlainWire, turn
from tests.document.scene import NOW_MS, Scene, first, following
from tests.protocol import craft
from tests.protocol.honest import Replica
from tests.support import wire

# -- turns


async def test_a_turn_is_one_delivery_for_each_peer_in_the_order_of_arrival() -> None:
    scene = Scene()
    ann, ben, reader = scene.peer("ann"), scene.peer("ben"), scene.peer("cleo")
    updates = [first(1), first(2), following(1, 1), following(1, 2)]

    for writer, data in zip((ann, ben, ann, ann), updates, strict=True):
        assert scene.take(writer, data) is Outcome.TAKEN
    assert reader.deliveries == []
    await turn()

    assert len(reader.deliveries) == len(ann.deliveries) == len(ben.deliveries) == 1
    assert reader.updates() == [*updates[:2], following(1, 1, "xx")]
    assert ann.updates() == [updates[1]]
    assert ben.updates() == [updates[0], following(1, 1, "xx")]


async def test_what_is_typed_in_a_turn_goes_out_and_is_stored_as_one_update() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann", client=1), scene.peer("ben")
    made = [first(1), *(following(1, clock) for clock in range(1, 250))]

    for data in made:
        assert scene.take(ann, data) is Outcome.TAKEN
    await turn()

    stored = [update for record in scene.disk.records for update in record.updates]
    assert ben.updates() == stored
    assert len(stored) < 5 and max(map(len, stored)) < 128
    assert scene.document.stored_bytes == sum(map(len, stored))
    assert scene.clocks() == {1: 250}
    reader = Replica(98)
    for data in stored:
        reader.learn(data)
    assert reader.text() == scene.text() == "x" * 250
    assert (ann.written, scene.document._metrics.updates_in) == (250, 250)


async def test_a_letter_is_not_taken_again_nor_for_another_nor_after_a_jump() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann", client=1), scene.peer("ben", client=2)
    scene.take(ann, first(1))
    scene.take(ann, following(1, 1))

    assert scene.take(ann, following(1, 1)) is Outcome.KNOWN
    assert scene.take(ann, following(1, 3)) is Outcome.GAP
    with pytest.raises(Denied):
        scene.take(ben, following(1, 2))
    with pytest.raises(Malformed):
        scene.take(ann, following(1, 2)[:-1] + b"\1")
    assert scene.take(ann, craft.update(craft.section(1, 2, craft.gc(3)))) is Outcome.TAKEN
    assert scene.take(ann, following(1, 2)) is Outcome.KNOWN

    assert scene.clocks() == {1: 5}


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

    scene.take(ann, first(1))
    await turn()

    assert CountingWire.encoded == 1
    assert all(reader.updates() == [first(1)] for reader in readers)


async def test_what_one_peer_sends_in_a_turn_is_one_record() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")

    scene.take(ann, first(1))
    scene.take(ann, following(1, 1))
    scene.take(ben, first(2))
    scene.take(ann, following(1, 2))
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
    scene.take(ann, first(1))
    await turn()

    assert len(reader.deliveries) == 1
    assert [message.kind for message in reader.deliveries[0]] == ["update", "awareness"]
    assert ann.deliveries == []


async def test_who_asks_in_the_middle_of_a_turn_is_answered_with_all_of_it() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    scene.take(ann, first(1, "abc"))

    assert scene.text() == "abc"
    scene.take(ann, following(1, 3, "d"))
    assert scene.text() == "abcd"
    await turn()

    assert [record.updates for record in scene.disk.records] == [
        (first(1, "abc"),),
        (following(1, 3, "d"),),
    ]


# -- durability


async def test_a_writer_hears_its_own_update_when_it_is_on_disk_and_not_before() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    scene.take(ann, first(1))
    await turn()
    assert (ann.deliveries, scene.document.unsaved) == ([], 1)

    scene.disk.sync()

    assert (ann.updates(), scene.document.unsaved) == ([first(1)], 0)


async def test_a_commit_of_many_records_is_one_confirmation_for_each_writer() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    updates = [first(1), following(1, 1), following(1, 2)]
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
    scene.take(ann, first(1))
    scene.document.leave(ann)
    await turn()

    scene.disk.sync()
    await turn()

    assert (ann.deliveries, scene.document.unsaved) == ([], 0)
    assert len(scene.disk.records) == 1


async def test_who_leaves_between_the_disk_and_the_confirmation_is_confirmed_nothing() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    for data in (first(1), following(1, 1)):
        scene.take(ann, data)
        await turn()

    scene.disk.sync()
    scene.document.leave(ann)
    await turn()

    assert ann.deliveries == []


async def test_what_only_lives_in_memory_is_handed_to_no_disk() -> None:
    scene = Scene(is_kept=False)
    ann, ben = scene.peer("ann"), scene.peer("ben")

    scene.take(ann, first(1))
    await turn()

    assert (scene.disk.records, scene.document.unsaved) == ([], 0)
    assert ben.updates() == [first(1)]


async def test_while_the_disk_fails_nothing_is_taken_and_afterwards_everybody_is_asked() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")

    scene.document.set_failure("the disk is full")
    with pytest.raises(Unavailable, match="the disk is full"):
        scene.take(ann, first(1))
    assert (ann.resyncs, scene.clocks()) == (0, {})
    scene.document.set_failure(None)

    assert (ann.resyncs, ben.resyncs) == (1, 1)
    assert scene.take(ann, first(1)) is Outcome.TAKEN


# -- what is taken


async def test_what_is_known_is_neither_relayed_nor_stored() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")
    scene.take(ann, first(1, "abc"))
    await turn()

    assert scene.take(ann, first(1, "abc")) is Outcome.KNOWN
    assert scene.take(ann, first(1, "ab"), live=False) is Outcome.KNOWN
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
    assert ben.history() == [first(1, "ready")]


async def test_history_that_somebody_brings_looks_like_an_update_to_nobody_else() -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")

    scene.take(ann, first(2, "of ben"), live=False)
    scene.take(ann, first(1, "new"))
    await turn()
    assert (ben.history(), ben.updates()) == ([first(2, "of ben")], [first(1, "new")])
    assert ann.deliveries == []
    scene.disk.sync()
    await turn()

    assert ann.updates() == [first(2, "of ben"), first(1, "new")]
    assert len(ben.deliveries) == 1


async def test_who_waits_for_the_disk_is_told_when_what_was_taken_before_is_on_it() -> None:
    scene = Scene()
    ann = scene.peer("ann")
    told: list[str] = []
    scene.document.when_saved(lambda: told.append("nothing to wait for"))
    scene.take(ann, first(1))
    await turn()
    scene.document.when_saved(lambda: told.append("the first"))
    assert told == ["nothing to wait for"]

    scene.disk.sync()
    assert told.pop() == "the first"


async def test_a_keystroke_is_vetted_like_everything_else() -> None:
    scene = Scene()
    ann = scene.peer("ann", client=1)
    scene.take(ann, first(1))

    assert scene.take(ann, following(1, 2)) is Outcome.GAP
    assert scene.take(ann, following(1, 1)) is Outcome.TAKEN
    assert scene.take(ann, following(1, 1)) is Outcome.KNOWN
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
        scene.take(ann, following(5, CLOCK_MAX - 2, "abc"))
    assert scene.take(ann, following(5, CLOCK_MAX - 2)) is Outcome.TAKEN
    assert scene.take(ann, following(5, CLOCK_MAX - 1)) is Outcome.TAKEN
    with pytest.raises(Malformed):
        scene.take(ann, following(5, CLOCK_MAX))

    stored = wire.messages(scene.document.answer(WIRE, b"\0"))[0].payload
    again.document.restore(stored)
    assert again.clocks() == {5: CLOCK_MAX}


async def test_native_code_that_fails_takes_nothing_from_what_was_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    ann, ben = scene.peer("ann", client=1), scene.peer("ben")
    updates = [first(client) for client in range(1, 1500)]
    updates += [following(1, clock) for clock in range(1, 1500)]

    with monkeypatch.context() as broken:
        broken.setattr("syncroom.document.sections.get_update", fail)
        for data in updates:
            assert scene.take(ann, data, live=False) is Outcome.TAKEN
        with pytest.raises(RuntimeError):
            scene.document.answer(WIRE, state_vector.encode({1: 1}))

    relayed = ben.history() + ben.updates()
    assert [data for record in scene.disk.records for data in record.updates] == relayed
    assert scene.clocks() == {1: 1500} | dict.fromkeys(range(2, 1500), 1)
    whole = read_update(scene.document.whole(), 64)
    assert {section.client: section.end for section in whole.sections} == scene.clocks()


async def test_a_peer_that_fails_to_be_written_to_is_sent_away_and_no_other_notices(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene()
    ann = scene.peer("ann", client=1)
    others = [scene.peer(f"reader-{number}") for number in range(5)]
    ben, cleo = scene.peer("ben"), scene.peer("cleo")
    monkeypatch.setattr(ben, "deliver", fail)
    monkeypatch.setattr(cleo, "deliver", fail)
    monkeypatch.setattr(cleo, "fail", fail)

    scene.take(ann, first(1))
    scene.document.flush()

    assert [record.updates for record in scene.disk.records] == [(first(1),)]
    assert all(reader.updates() == [first(1)] for reader in others)
    (error,) = ben.failures
    assert str(error).startswith("internal error, incident ")
    assert str(error).rpartition(" ")[2] in caplog.text
    assert scene.document._metrics.updates_in == 1


async def test_a_writer_that_fails_to_be_confirmed_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    ann, ben = scene.peer("ann"), scene.peer("ben")
    monkeypatch.setattr(ann, "confirm", fail)
    scene.take(ann, first(1))
    scene.take(ben, first(2))
    await turn()

    scene.disk.sync()
    await turn()

    assert len(ann.failures) == 1
    assert ben.updates() == [first(1), first(2)]


def fail(*_: object) -> NoReturn:
    raise RuntimeError("a fault of others")


async def test_a_document_goes_on_from_what_was_stored() -> None:
    scene = Scene()
    scene.document.restore(first(1, "abc"))
    ann = scene.peer("ann", client=1)

    assert scene.take(ann, first(1, "abc")) is Outcome.KNOWN
    assert scene.take(ann, following(1, 3, "d")) is Outcome.TAKEN

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
    scene.take(ann, first(1, "a"))

    kept = scene.document.answer(WIRE, b"\0")
    assert scene.document.answer(WIRE, b"\0") is kept
    scene.take(ann, following(1, 1, "b"))

    assert scene.document.answer(WIRE, b"\0") is not kept
    assert scene.text() == "ab"


async def test_questions_do_not_fill_memory() -> None:
    limit = 100_000
    scene = Scene(answers_bytes_max=limit)

    for number in range(2000):
        vector = state_vector.encode(dict.fromkeys(range(30), number + 1))
        scene.document.answer(WIRE, vector)

    kept = scene.document._answers._kept
    held = sum(len(vector) + len(answer) for (_, vector), answer in kept.items())
    assert 0 < held < 2 * limit
    assert len(kept) < 1000


async def test_lacking_is_what_the_other_side_has_more_of() -> None:
    scene = Scene()
    scene.take(scene.peer(), first(1, "abc"))

    assert not scene.document.lacks({})
    assert not scene.document.lacks({1: 3})
    assert scene.document.lacks({1: 4})
    assert scene.document.lacks({2: 1})


async def test_what_a_full_document_refused_is_asked_for_when_compaction_made_room() -> None:
    scene = Scene(document_bytes_max=50)
    ann = scene.peer("ann")
    assert scene.take(ann, first(1, "x" * 20)) is Outcome.TAKEN
    assert scene.take(ann, first(2, "y" * 20)) is Outcome.FULL

    scene.document.begin_compaction()
    scene.document.end_compaction(read_update(first(1, "x"), 64))

    assert ann.resyncs == 1
    assert scene.take(ann, first(2, "y" * 20)) is Outcome.TAKEN
