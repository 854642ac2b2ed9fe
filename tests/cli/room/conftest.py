"""What tests of ``syncroom room`` ask for."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.cli.room.support import RoomCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server


@pytest.fixture
def command(shared_server: Server, room: str) -> Iterator[RoomCommand]:
    """The command of somebody with all rights, in a room of the test's own."""
    with closing(RoomCommand(shared_server, room, scope="full")) as command:
        yield command
