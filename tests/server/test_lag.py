"""A session whose socket fills up in the middle of a turn: nothing is left out of what it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.auth.participant import Participant
from syncroom.sessions.yjs import YjsSession
from tests.document.fakes import turn
from tests.protocol import craft
from tests.server.seats import FakeConnection, make_room, take_seat
from tests.support import wire

if TYPE_CHECKING:
    from syncroom.document.document import Document


def _update(client: int, text: str) -> bytes:
    return wire.update(craft.update(craft.section(client, 0, craft.string(text))))


async def test_a_change_of_the_turn_in_which_a_confirmation_fills_the_socket_arrives() -> None:
    room, document = await make_room()
    slow, slow_session = take_seat(room, document, "slow")
    _, fast = take_seat(room, document, "fast")
    slow_session.receive(_update(1, "own"))
    await turn()

    # the confirmation is sent by a callback of this turn, the change by a later one
    await turn()
    fast.receive(_update(2, "theirs"))
    slow.is_full_after_next = True
    slow_session.keep_alive()
    await turn()
    slow_session.resume()

    assert "theirs" in slow.text()


async def test_what_comes_while_a_client_lags_comes_as_one_difference() -> None:
    room, document = await make_room()
    slow, slow_session = take_seat(room, document, "slow")
    _, fast = take_seat(room, document, "fast")

    slow.is_full_after_next = True
    slow_session.keep_alive()
    seen = len(slow.messages())
    for number in range(10):
        fast.receive(_update(10 + number, f"<{number}>"))
        await turn()
    assert len(slow.messages()) == seen
    slow_session.resume()

    assert [message.kind for message in slow.messages()[seen:]] == ["step2"]
    assert all(f"<{number}>" in slow.text() for number in range(10))
    fast.receive(_update(50, "after"))
    await turn()
    assert "after" in slow.text()


async def test_a_difference_that_fills_the_socket_again_is_followed_by_another() -> None:
    room, document = await make_room()
    slow, slow_session = take_seat(room, document, "slow")
    _, fast = take_seat(room, document, "fast")
    slow.is_full_after_next = True
    slow_session.keep_alive()
    for number in range(5):
        fast.receive(_update(10 + number, f"<{number}>"))
        await turn()
        slow.is_full_after_next = True
        slow_session.resume()

    slow_session.resume()

    assert all(f"<{number}>" in slow.text() for number in range(5))


async def test_presence_is_told_again_after_lagging() -> None:
    room, document = await make_room()
    slow, slow_session = take_seat(room, document, "slow")
    _, fast = take_seat(room, document, "fast")
    slow.is_full_after_next = True
    slow_session.keep_alive()

    fast.receive(wire.awareness(wire.State(2, 0, {"cursor": 1})))
    await turn()
    slow_session.resume()

    states = [state for message in slow.messages() for state in message.states]
    assert [state.client for state in states] == [2]


async def test_a_question_asked_while_lagging_is_answered_afterwards() -> None:
    room, document = await make_room()
    slow, slow_session = take_seat(room, document, "slow")
    _, fast = take_seat(room, document, "fast")
    slow.is_full_after_next = True
    slow_session.keep_alive()
    fast.receive(_update(2, "theirs"))
    await turn()

    seen = len(slow.messages())
    slow_session.receive(wire.step1())
    assert len(slow.messages()) == seen
    slow_session.resume()

    (answer,) = slow.messages()[seen:]
    assert answer.kind == "step2"
    assert b"theirs" in answer.payload


async def test_a_client_that_lags_before_its_first_question_is_greeted_nevertheless() -> None:
    room, document = await make_room()
    connection = FakeConnection()
    participant = Participant("id-of-slow", "slow", "user", None, None)
    session = YjsSession(connection, room, participant, True, document)
    connection.is_full_after_next = True
    session.keep_alive()

    session.receive(wire.step1())
    session.resume()

    assert "step1" in [message.kind for message in connection.messages()]


async def test_a_writer_that_lags_is_confirmed_when_it_reads_again() -> None:
    room, document = await make_room()
    slow, slow_session = take_seat(room, document, "slow")
    slow.is_full_after_next = True
    slow_session.keep_alive()

    slow_session.receive(_update(1, "own"))
    await _durable(document)
    seen = len(slow.messages())
    slow_session.resume()

    assert "update" in [message.kind for message in slow.messages()[seen:]]


async def test_a_confirmation_that_fills_the_socket_is_not_lost() -> None:
    room, document = await make_room()
    slow, slow_session = take_seat(room, document, "slow")
    slow.is_full_after_next = True
    slow_session.keep_alive()
    slow_session.receive(_update(1, "own"))
    await _durable(document)

    slow.is_full_after_next = True
    slow_session.resume()
    assert "update" not in [message.kind for message in slow.messages()]
    slow_session.resume()

    assert "update" in [message.kind for message in slow.messages()]


async def test_nothing_more_is_read_from_a_writer_that_reads_nothing_until_it_reads() -> None:
    room, document = await make_room(outbox_bytes_max=100)
    slow, slow_session = take_seat(room, document, "slow")
    slow.is_full_after_next = True
    slow_session.keep_alive()

    for client in range(1, 6):
        slow_session.receive(_update(client, "x" * 60))
        await _durable(document)
    assert slow.holds == 1
    seen = len(slow.messages())
    slow_session.resume()

    assert slow.holds == 0
    assert [m.kind for m in slow.messages()[seen:]].count("update") == 5


async def _durable(document: Document) -> None:
    """Wait until all is on disk, and its writers were told."""
    document.flush()
    while document.unsaved:
        await turn()
    await turn()
