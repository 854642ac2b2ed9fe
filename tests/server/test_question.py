"""What the server asks a newcomer: its state vector speaks of nothing that is not on disk."""

from __future__ import annotations

from syncroom.protocol import state_vector
from tests.document.fakes import turn
from tests.protocol import craft
from tests.server.seats import FakeConnection, make_room, take_seat
from tests.support import wire


def _asked(connection: FakeConnection) -> list[dict[int, int]]:
    return [
        state_vector.decode(message.payload)
        for message in connection.messages()
        if message.kind == "step1"
    ]


async def test_a_newcomer_is_asked_when_what_the_question_tells_is_on_disk() -> None:
    room, document = await make_room()
    _, ann = take_seat(room, document, "ann")
    ann.receive(wire.update(craft.update(craft.section(1, 0, craft.string("abc")))))

    newcomer, _ = take_seat(room, document, "ben")
    assert newcomer.text() == "abc"
    assert _asked(newcomer) == []
    await turn()
    await turn()

    assert _asked(newcomer) == [{1: 3}]


async def test_who_left_before_it_was_asked_is_sent_nothing() -> None:
    room, document = await make_room()
    _, ann = take_seat(room, document, "ann")
    ann.receive(wire.update(craft.update(craft.section(1, 0, craft.string("abc")))))
    newcomer, session = take_seat(room, document, "ben")

    session.end()
    await turn()
    await turn()

    assert _asked(newcomer) == []


async def test_in_a_document_at_rest_a_newcomer_is_asked_at_once() -> None:
    room, document = await make_room()

    newcomer, _ = take_seat(room, document, "ann")

    assert _asked(newcomer) == [{}]
