"""The log: whatever was added, in whatever lots, merges to the document that its updates make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pycrdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.document.log import EMPTY_UPDATE, EMPTY_VECTOR, UpdateLog, merge
from syncroom.protocol import state_vector
from syncroom.protocol.update import read_keystroke, read_update
from tests.properties import examples
from tests.protocol import craft
from tests.protocol.honest import Replica, Step, play, steps

if TYPE_CHECKING:
    from tests.support.node import NodeDriver

DEPTH = 64


def _fill(log: UpdateLog, updates: list[bytes]) -> None:
    """As a document does it: keystrokes one way, everything else the other."""
    for data in updates:
        key = read_keystroke(data)
        if key is not None:
            log.type(data, key)
        else:
            log.append(read_update(data, DEPTH))


def _reader(update: bytes) -> Replica:
    reader = Replica(98)
    reader.learn(update)
    return reader


def _type(texts: list[tuple[int, str]], client_id: int = 5) -> tuple[Replica, list[bytes]]:
    """Keystrokes at places counted from the end."""
    writer = Replica(client_id)
    text: pycrdt.Text = writer.doc.get("text", type=pycrdt.Text)
    for back, word in texts:
        text.insert(max(0, len(text) - back), word)
    return writer, writer.made


def test_an_empty_log_is_an_empty_update() -> None:
    assert merge([]) == EMPTY_UPDATE
    assert UpdateLog().merged() == EMPTY_UPDATE
    assert UpdateLog().since(EMPTY_VECTOR) == EMPTY_UPDATE


@pytest.mark.parametrize("count", [1, 2, 99, 100, 101, 1000, 1001, 2500])
def test_any_number_of_updates_merges(count: int) -> None:
    log = UpdateLog()
    updates = [craft.update(craft.section(client, 0, craft.string("x"))) for client in range(count)]

    _fill(log, updates)

    assert len(read_update(log.merged(), DEPTH).sections) == count
    assert len(read_update(merge(updates), DEPTH).sections) == count


@examples(50)
@given(steps, st.lists(st.integers(0, 60), max_size=4))
def test_the_log_is_the_document_whenever_somebody_asked(
    script: list[Step], asked: list[int]
) -> None:
    replica = play([(0, *rest) for _, *rest in script]).replicas[0]  # type: ignore[misc]
    log = UpdateLog()

    for index, data in enumerate(replica.made):
        _fill(log, [data])
        if index in asked:
            log.merged()

    read_update(log.merged(), DEPTH)  # which raises where something is named twice
    assert _reader(log.merged()).content() == replica.content()
    assert state_vector.decode(pycrdt.get_state(log.merged())) == state_vector.decode(
        replica.doc.get_state()
    )


@examples(30)
@given(steps)
def test_the_answer_brings_what_the_asker_lacks(script: list[Step]) -> None:
    session = play(script)
    whole = session.whole()
    log = UpdateLog()
    _fill(log, session.updates)

    for replica in session.replicas:
        vector = replica.doc.get_state()
        answer = log.since(vector)
        replica.learn(answer)
        assert replica.content() == whole.content()


@examples(100)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "bc", "\n"])), max_size=30))
def test_joined_keystrokes_are_the_same_text_and_history(texts: list[tuple[int, str]]) -> None:
    writer, made = _type(texts)
    log = UpdateLog()

    _fill(log, made)

    assert _reader(log.merged()).text() == writer.text()
    assert pycrdt.get_state(log.merged()) == writer.doc.get_state()


def test_typing_in_one_place_is_kept_as_one_struct() -> None:
    writer, made = _type([(0, "x")] * 500)
    log = UpdateLog()

    _fill(log, made)

    sections = read_update(log.merged(), DEPTH).sections
    assert len(made) == 500
    assert [section.clocks for section in sections] == [[0, 1, 500]]
    assert _reader(log.merged()).text() == writer.text()


def test_two_who_type_into_each_others_words_keep_their_order() -> None:
    """What was typed later into the middle of a joined run stays in the middle of it."""
    ann, ben = Replica(1), Replica(2)
    made: list[bytes] = []
    for turn in range(40):
        writer, other = (ann, ben) if turn % 3 else (ben, ann)
        text: pycrdt.Text = writer.doc.get("text", type=pycrdt.Text)
        text.insert((turn * 7) % (len(text) + 1), "abcdefgh"[turn % 8])
        made.append(writer.made[-1])
        if turn % 4 != 1:
            other.learn(writer.doc.get_update(other.doc.get_state()))
    for writer, other in ((ann, ben), (ben, ann)):
        other.learn(writer.doc.get_update(other.doc.get_state()))
    log = UpdateLog()

    _fill(log, made)

    assert ann.text() == ben.text() == _reader(log.merged()).text()


async def test_yjs_reads_from_the_log_what_pycrdt_wrote(node: NodeDriver) -> None:
    for seed in range(5):
        rng: list[Step] = [(n % 3, (n * 7 + seed) % 16, n * 31 + seed, n * 17) for n in range(80)]
        session = play(rng)
        log = UpdateLog()
        _fill(log, session.updates)

        by_yjs: dict[str, Any] = await node.load(log.merged(), texts=["text"])

        assert by_yjs["texts"]["text"] == session.whole().text()
        assert not by_yjs["pending"]


@examples(40)
@given(steps, st.lists(st.sampled_from(["set apart", "rejoin", "rejoin smaller", "read"])))
def test_what_is_set_apart_and_comes_back_loses_nothing(
    script: list[Step], turns: list[str]
) -> None:
    session = play(script)
    log = UpdateLog()
    apart: bytes | None = None
    for at, update in enumerate(session.updates):
        _fill(log, [update])
        turn = turns[at] if at < len(turns) else "read"
        if turn == "set apart" and apart is None:
            log.set_apart()
            apart = log.merged()
        elif turn.startswith("rejoin") and apart is not None:
            log.rejoin(read_update(apart, DEPTH) if turn == "rejoin smaller" else None)
            apart = None
        elif turn == "read":
            apart = apart and log.merged()  # what was compacted may hold what came meanwhile

    assert _reader(log.merged()).content() == session.whole().content()
    assert _reader(log.since(EMPTY_VECTOR)).content() == session.whole().content()
