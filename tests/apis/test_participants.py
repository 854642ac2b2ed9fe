"""Who is in a room: each participant once, however many connections it has."""

from __future__ import annotations

import asyncio
from typing import Any

import pycrdt

from syncroom.apis.participants import Participants
from syncroom.auth.participant import Participant
from syncroom.document.maps import MapDocument
from syncroom.limits import Limits
from syncroom.metrics import Metrics
from tests.document.fakes import WIRE
from tests.support import wire

ANN = Participant("id-of-ann", "Ann", "user", None, None)
BOT = Participant("id-of-bot", "Bot", "agent", None, None)


def _document() -> MapDocument:
    return MapDocument(
        ".room/participants",
        "0" * 32,
        keep=None,
        limits=Limits(),
        metrics=Metrics(),
        loop=asyncio.get_running_loop(),
        now_ms=lambda: 1,
    )


def _seen(document: MapDocument) -> dict[str, Any]:
    (message,) = wire.messages(document.answer(WIRE, b"\0"))
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    doc.apply_update(message.payload)
    seen: dict[str, Any] = doc.get("participants", type=pycrdt.Map).to_py() or {}
    return seen


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
    participants, document = Participants(), _document()
    participants.join(ANN)
    participants.join(BOT)
    participants.join(ANN)

    participants.map.watch(document)

    assert _seen(document) == {ANN.id: _entry(ANN, 2), BOT.id: _entry(BOT, 1)}


async def test_who_watches_sees_people_come_and_go() -> None:
    participants, document = Participants(), _document()
    participants.map.watch(document)
    assert _seen(document) == {}

    participants.join(ANN)
    assert _seen(document) == {ANN.id: _entry(ANN, 1)}
    participants.join(ANN)
    assert _seen(document) == {ANN.id: _entry(ANN, 2)}
    participants.leave(ANN)
    participants.leave(ANN)

    assert _seen(document) == {}


async def test_a_document_that_was_let_go_of_is_written_no_more() -> None:
    participants, first, second = Participants(), _document(), _document()
    participants.map.watch(first)
    participants.join(ANN)
    participants.map.unwatch()

    participants.join(BOT)
    participants.map.watch(second)

    assert _seen(first) == {ANN.id: _entry(ANN, 1)}
    assert set(_seen(second)) == {ANN.id, BOT.id}
