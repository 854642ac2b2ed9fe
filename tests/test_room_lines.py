"""Log lines of the server in the log of the room that they concern, and nothing that is private."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from syncroom.logs import about, log_incident
from syncroom.room_lines import RoomLines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_log = logging.getLogger("syncroom.test")


class Scene:
    """What came."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str, dict[str, Any]]] = []
        self.lines = RoomLines(lambda *noted: self.noted.append(noted))


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    level = _log.level
    _log.setLevel(logging.DEBUG)
    yield scene
    _log.setLevel(level)
    scene.lines.close()


async def test_a_line_about_a_room_is_handed_on_without_who_it_is_told_of_lives(
    scene: Scene,
) -> None:
    _log.info("joined", extra=about(room="demo", name="ann", address="192.0.2.1"))
    await asyncio.sleep(0)

    data = {"message": "joined", "logger": "syncroom.test", "name": "ann"}
    assert scene.noted == [("demo", "info", data)]


@pytest.mark.parametrize(
    ("level", "kind"),
    [(logging.INFO, "info"), (logging.WARNING, "warning"), (logging.CRITICAL, "error")],
)
async def test_a_line_keeps_its_level(scene: Scene, level: int, kind: str) -> None:
    _log.log(level, "it is so", extra=about(room="demo"))
    await asyncio.sleep(0)

    assert scene.noted[0][1] == kind


async def test_tokens_and_traces_stay_out(scene: Scene) -> None:
    try:
        raise ValueError("the content of a document")
    except ValueError as error:
        log_incident(_log, "of eyJhbGciOiJIUzI1NiJ9.e30.c2ln", error, room="demo")
    await asyncio.sleep(0)

    [(_, _, data)] = scene.noted
    assert data["message"].endswith("of <token>")
    assert "content" not in str(data)


async def test_other_lines_are_not_for_a_room(scene: Scene) -> None:
    _log.info("no room")
    _log.info("a document that grants may hide", extra=about(room="demo", path="plan"))
    _log.debug("too much", extra=about(room="demo"))
    logging.getLogger("other").warning("a library", extra=about(room="demo"))
    await asyncio.sleep(0)

    assert scene.noted == []


async def test_nothing_is_heard_after_the_end(scene: Scene) -> None:
    scene.lines.close()

    _log.info("joined", extra=about(room="demo"))
    await asyncio.sleep(0)

    assert scene.noted == []
