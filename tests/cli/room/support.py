"""``syncroom room`` in a room, called as people and scripts call it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from subprocess import PIPE
from typing import IO, TYPE_CHECKING, Any

from syncroom.client.room import RoomClient
from tests.cli.command import Command

if TYPE_CHECKING:
    from tests.support.server import Server


class RoomCommand(Command):
    """``syncroom room`` as the holder of a token."""

    def __init__(self, server: Server, room: str, **claims: Any) -> None:
        token = server.token(room=room, **claims)
        self.where = {
            "SYNCROOM_URL": server.url,
            "SYNCROOM_ROOM": room,
            "SYNCROOM_TOKEN": token,
        }
        super().__init__("room", **self.where)
        self._begun: list[subprocess.Popen[bytes]] = []

    def fails(self, code: int, *arguments: str) -> str:
        """What is said where a command ends with a code."""
        done = self.run(*arguments)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stderr

    async def later(self, *arguments: str) -> str:
        """What is printed, while the test does something else."""
        return await asyncio.to_thread(self.out, *arguments)

    def begin(
        self, *arguments: str, stdin: int | IO[bytes] = PIPE, stderr: int = PIPE
    ) -> subprocess.Popen[bytes]:
        """A process of its own, with pipes where nothing else is said."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SYNCROOM_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "syncroom", "room", *arguments],
            env=kept | self.where,
            stdin=stdin,
            stdout=PIPE,
            stderr=stderr,
        )
        self._begun.append(process)
        return process

    def close(self) -> None:
        """End what still runs: a test that failed leaves nothing to the next ones."""
        for process in self._begun:
            process.kill()
            with process:
                pass


def member(server: Server, room: str, name: str = "ben") -> RoomClient:
    """Somebody else in the room."""
    return RoomClient(server.url, room, server.token(room=room, name=name))
