"""Who is in a room: each participant once, however many connections it has."""

from __future__ import annotations

from typing import Any

from syncroom.apis.participants import Participants
from syncroom.auth.participant import Participant
from syncroom.auth.paths import PARTICIPANTS_PATH
from tests.apis.fakes import reserved, shown

ANN = Participant("id-of-ann", "Ann", "user", None, None)
BOT = Participant("id-of-bot", "Bot", "agent", None, None)


def _entry(participant: Participant, connections: int) -> dict[str, Any]:
    return {
        "id": participant.id,
        "name": participant.name,
        "role": participant.role,
        "connections": connections,
    }


def test_a_participant_counts_once_until_its_last_connection_is_gone() -> None:
    participants = Participants()

    participants.join(ANN)
    participants.join(ANN)
    participants.join(BOT)
    assert len(participants) == 2
    participants.leave(ANN)
    assert len(participants) == 2
    participants.leave(ANN)

    assert len(participants) == 1


async def test_who_watches_sees_everybody_who_was_there_before() -> None:
    participants, document = Participants(), reserved(PARTICIPANTS_PATH)
    participants.join(ANN)
    participants.join(BOT)
    participants.join(ANN)

    participants.map.watch(document)

    assert shown(document, "participants") == {ANN.id: _entry(ANN, 2), BOT.id: _entry(BOT, 1)}


async def test_who_watches_sees_people_come_and_go() -> None:
    participants, document = Participants(), reserved(PARTICIPANTS_PATH)
    participants.map.watch(document)
    assert shown(document, "participants") == {}

    participants.join(ANN)
    assert shown(document, "participants") == {ANN.id: _entry(ANN, 1)}
    participants.join(ANN)
    assert shown(document, "participants") == {ANN.id: _entry(ANN, 2)}
    participants.leave(ANN)
    participants.leave(ANN)

    assert shown(document, "participants") == {}


async def test_a_document_that_was_let_go_of_is_written_no_more() -> None:
    participants, first, second = (
        Participants(),
        reserved(PARTICIPANTS_PATH),
        reserved(PARTICIPANTS_PATH),
    )
    participants.map.watch(first)
    participants.join(ANN)
    participants.map.unwatch()

    participants.join(BOT)
    participants.map.watch(second)

    assert shown(first, "participants") == {ANN.id: _entry(ANN, 1)}
    assert set(shown(second, "participants")) == {ANN.id, BOT.id}
