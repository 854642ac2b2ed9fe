"""A container engine for a module's tests, and rooms in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncroom.apis.room_containers import RoomContainers
from syncroom.apis.room_images import RoomImages
from syncroom.engine import Engine
from tests.apis.contained import Scene
from tests.support.podman import Podman

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    engine = Podman()
    yield engine
    engine.close()


@pytest.fixture
async def scene(podman: Podman, tmp_path: Path) -> AsyncIterator[Scene]:
    engine = Engine(podman.url)
    made = Scene(engine, tmp_path)
    await made.kept.open()
    yield made
    await RoomContainers(engine, "server", made.room).remove_all()
    await RoomImages(engine, "server", made.room, made.room).remove_all()
    await engine.close()
