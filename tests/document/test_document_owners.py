"""Client ids: what is new under one that is live is written by its participant alone."""

from __future__ import annotations

import pytest

from syncroom.document.document import Outcome
from syncroom.errors import Denied
from tests.document.fakes import turn
from tests.document.scene import Scene, first, following
from tests.protocol import craft


async def test_a_live_client_id_is_written_with_by_its_participant_alone() -> None:
    scene = Scene()
    ann = scene.peer("ann", client=1)
    mallory = scene.peer("mallory", client=2)
    scene.take(ann, first(1, "abc"))

    for forged in (following(1, 3), craft.update(craft.section(1, 3, craft.gc(2**31 - 5)))):
        with pytest.raises(Denied, match="belongs to another"):
            scene.take(mallory, forged)
        assert scene.take(mallory, forged, live=False) is Outcome.GAP
    await turn()

    assert scene.clocks() == {1: 3}
    assert scene.take(ann, following(1, 3)) is Outcome.TAKEN


async def test_known_structs_and_deletions_of_others_pass() -> None:
    scene = Scene()
    ann = scene.peer("ann", client=1)
    ben = scene.peer("ben", client=2)
    scene.take(ann, first(1, "abc"))

    assert scene.take(ben, first(1, "abc")) is Outcome.KNOWN
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

    scene.take(ann, first(7), live=False)
    assert ann.client_id is None
    scene.take(ann, following(7, 1))
    assert ann.client_id == 7

    with pytest.raises(Denied):
        scene.take(ben, following(7, 2))
    scene.document.leave(ann)
    assert scene.take(ben, following(7, 2)) is Outcome.TAKEN
