"""A room with containers, in a real engine."""

from __future__ import annotations

import asyncio
import io
import tarfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from syncroom.apis.builds import Builds
from syncroom.apis.containers import Containers
from syncroom.apis.files import Files
from syncroom.apis.room_containers import RoomContainers
from syncroom.apis.room_images import RoomImages
from syncroom.apis.shelf import Shelf
from syncroom.auth.scopes import ApiScope, ContainersGrant
from syncroom.auth.storage_grant import StorageGrant
from syncroom.limits import Limits
from syncroom.protocol.meshagent import OPEN, binary_content
from syncroom.store.blobs import Blobs
from syncroom.store.memory import MemoryStore
from tests.apis.fakes import Asked, FakeCaller, ask
from tests.support.podman import IMAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.apis.base import Caller
    from syncroom.engine import Engine
    from syncroom.store.base import DocumentInfo

LIMITS = Limits(
    room_containers_max=2,
    container_files_bytes_max=1000,
    room_images_max=1,
    build_bytes_max=20_000,
    build_log_bytes_max=1000,
)


def packed(**files: str) -> bytes:
    """A tar archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


class Listener(FakeCaller):
    """A caller that waits for what it is sent."""

    def __init__(self, name: str, **rights: Any) -> None:
        grant = ContainersGrant(**rights)
        files = StorageGrant.model_validate({"paths": [{"path": "plans"}, {"path": "a.txt"}]})
        super().__init__(name, ApiScope(containers=grant, storage=files))
        self.news = asyncio.Event()

    def send(self, kind: str, header: Mapping[str, Any], payload: bytes = b"") -> int:
        self.news.set()
        return super().send(kind, header, payload)

    def said(self, channel: int) -> bytes:
        """All that came on a channel."""
        pieces = [each for each in self.sent if each.header["chunk"]["type"] == "binary"]
        return b"".join(
            it.payload for it in pieces if it.header["chunk"]["headers"]["channel"] == channel
        )

    async def until(self, channel: int, text: bytes) -> None:
        """Wait until this came."""
        while text not in self.said(channel):
            self.news.clear()
            await self.news.wait()


class Scene:
    """A room with its containers, and with files if there is a folder for them."""

    def __init__(self, engine: Engine, folder: Path = Path("nowhere")) -> None:
        self.engine = engine
        self.room = f"room-{uuid4().hex}"
        self.kept = kept = MemoryStore()
        catalogue = partial(kept.items, "demo", "s"), partial(kept.change_items, "demo", "s")
        documents = _no_documents, lambda path: False
        self.files = Files("demo", Blobs(folder), *catalogue, *documents, LIMITS)
        self.containers = self.of(self.room)
        self.ann = Listener("ann")

    def of(self, room: str) -> Containers:
        self.mine = RoomContainers(self.engine, "server", room)
        self.images = RoomImages(self.engine, "server", room, room)
        builds = Builds(self.images, True, LIMITS)
        shelf = Shelf(self.files, NoDocuments(), {})
        return Containers(self.mine, self.images, builds, shelf, _environment, LIMITS)

    async def put(self, path: str, data: bytes) -> None:
        """Let the room have a file."""
        await self.files.check_free(path, overwrite=True)
        async with self.files.blobs.writer("demo") as writer:
            await writer.write(data)
            await self.files.put(path, await writer.commit(), len(data))

    async def printed(self, command: str, **request: Any) -> bytes:
        """What a container prints up to its end."""
        made = await self.run(command, **request)
        await self.ask("wait_for_exit", container_id=made)
        before = len(self.ann.said(1))
        await self.stream("logs", container_id=made).over.wait()
        return self.ann.said(1)[before:]

    async def ask(self, tool: str, caller: FakeCaller | None = None, **request: Any) -> Any:
        asked = ask(self.containers, tool, caller or self.ann, request)
        await asked.over.wait()
        return asked.answer.get("json", asked.answer)

    async def run(self, command: str, image: str = IMAGE, **request: Any) -> str:
        answer = await self.ask("run", image=image, command=command, **request)
        assert "container_id" in answer, answer
        container_id: str = answer["container_id"]
        return container_id

    async def listed(self, **request: Any) -> list[Any]:
        found: list[Any] = (await self.ask("list_containers", **request))["containers"]
        return found

    def stream(self, tool: str, caller: Listener | None = None, **request: Any) -> Asked:
        asked = ask(self.containers, tool, caller or self.ann, OPEN)
        asked.call.take(binary_content({"kind": "start", **request}))
        return asked


class NoDocuments:
    """The documents of a room that has none."""

    async def read(self, path: str) -> bytes:
        raise AssertionError(path)

    async def end(self, path: str) -> None:
        raise AssertionError(path)


async def _no_documents(near: str) -> list[DocumentInfo]:
    return []


def _environment(caller: Caller, name: str) -> dict[str, str]:
    return {"JOINS_AS": name}
