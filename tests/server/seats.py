"""Sessions of y-protocols at a socket that keeps what is written to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.auth.participant import Participant
from syncroom.limits import Limits
from syncroom.rooms import Rooms
from syncroom.sessions.yjs import YjsSession
from syncroom.store.memory import MemoryStore
from tests.protocol.honest import Replica
from tests.server.fakes import read_frames
from tests.support import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.document.document import Document
    from syncroom.room import Room
    from syncroom.sessions.connection import Session


class FakeConnection:
    """A socket whose buffer is full as soon as it is told to be, as asyncio's transports are."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.is_open = True
        self.address = "127.0.0.1"
        self.bytes_in = 0
        self.written = b""
        self.is_full_after_next = False
        self.holds = 0
        self.write: Callable[[bytes], None] = self._write

    def _write(self, data: bytes) -> None:
        self.written += data
        if self.is_full_after_next and self.session is not None:
            self.is_full_after_next = False
            self.session.pause()

    def hold(self) -> None:
        self.holds += 1

    def release(self) -> None:
        self.holds -= 1

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"closed with {code}: {reason}")

    def abort(self) -> None:
        raise AssertionError("cut")

    def dismiss(
        self, code: int, reason: str, *, keepalive: bytes = b"", offender: str | None = None
    ) -> None:
        raise AssertionError(f"dismissed with {code}: {reason}")

    def messages(self) -> list[wire.Message]:
        return [m for _, data in read_frames(self.written) for m in wire.messages(data)]

    def text(self) -> str:
        reader = Replica(98)
        for message in self.messages():
            if message.kind in ("step2", "update"):
                reader.learn(message.payload)
        return reader.text()


async def make_room(**limits: int) -> tuple[Room, Document]:
    store = MemoryStore()
    await store.open()
    room = Rooms(store, Limits.model_validate(limits)).room("demo")
    return room, await room.load("notes")


def take_seat(room: Room, document: Document, name: str) -> tuple[FakeConnection, YjsSession]:
    connection = FakeConnection()
    participant = Participant(f"id-of-{name}", name, "user", None, None)
    session = YjsSession(connection, room, participant, True, document)
    session.receive(wire.step1())
    return connection, session
