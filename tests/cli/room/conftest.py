"""What tests of ``syncroom room`` ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.room.support import RoomCommand

if TYPE_CHECKING:
    from tests.support.server import Server


@pytest.fixture
def command(shared_server: Server, room: str) -> RoomCommand:
    """The command of somebody with all rights, in a room of the test's own."""
    return RoomCommand(shared_server, room, scope="full")
