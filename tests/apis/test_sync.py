"""Documents over streams: what a client is sent first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncroom.apis.sync import Sync
from syncroom.document.mesh_schema import take_schema
from syncroom.limits import Limits
from syncroom.protocol.meshagent import CLOSE, OPEN, Assembler, binary_content, unpack
from syncroom.rooms import Rooms
from syncroom.store.memory import MemoryStore
from tests.apis.fakes import FakeCaller, ask
from tests.document.fakes import FakePeer
from tests.document.scene import first
from tests.server.fakes import read_frames

if TYPE_CHECKING:
    from syncroom.document.document import Document
    from syncroom.document.mesh_schema import MeshSchema

SCHEMA = {
    "$root_tag_ref": "#/$defs/page",
    "$defs": {
        "page": {
            "type": "object",
            "additionalProperties": False,
            "required": ["page"],
            "properties": {
                "page": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": [],
                    "properties": {},
                }
            },
        }
    },
}


class WritingCaller(FakeCaller):
    """A caller that keeps what is encoded elsewhere, by the kind of each content."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.kinds: list[str] = []
        self._assembler = Assembler(1 << 20)

    def write(self, frames: bytes) -> None:
        for _, packet in read_frames(frames):
            message = self._assembler.take(packet)
            if message is not None:
                header: dict[str, Any] = unpack(message.body, 64)[0]
                self.kinds.append(header["chunk"]["headers"]["kind"])


class OneDocument:
    """The documents of a room with one."""

    def __init__(self, document: Document) -> None:
        self._document = document

    async def open(self, *_: object, **__: object) -> tuple[Document, MeshSchema]:
        return self._document, take_schema(SCHEMA, Limits())

    async def create(self, *_: object, **__: object) -> None:
        raise AssertionError("it is there")

    async def describe(self, *_: object, **__: object) -> dict[str, Any]:
        raise AssertionError("nobody asks")


async def test_who_opens_a_document_that_is_being_edited_gets_the_state_first() -> None:
    store = MemoryStore()
    await store.open()
    rooms = Rooms(store, Limits())
    room = rooms.room("demo")
    document = await room.open("notes")
    ann = WritingCaller("ann")
    asked = ask(Sync(room, OneDocument(document), rooms.flush), "open", ann, OPEN)
    asked.call.take(binary_content({"kind": "start", "path": "notes"}))
    asked.call.take(CLOSE)

    document.accept(FakePeer("ben"), first(7), live=True)
    await asked.over.wait()

    assert ann.kinds == ["state"]
