"""A participant with the SDK for Python, and what it saw; under Python 3.13."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from meshagent.api import RoomClient, WebSocketClientProtocol
from meshagent.api.schema import MeshSchema
from meshagent.api.schema_document import Element

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from meshagent.api.messaging import Content
    from meshagent.api.room_server_client import MeshDocument

JSON = dict[str, Any]
EVENTS = {
    "storage": ("file.updated", "file.deleted", "file.moved"),
    "room": ("disconnected", "reconnected", "room.status"),
    "messaging": (
        *("messaging_enabled", "participant_added", "participant_removed"),
        *("participant_attributes_updated", "message", "stream_requested"),
    ),
}


def describe(value: Any) -> JSON:
    """What an event's arguments say, as JSON."""
    if hasattr(value, "from_participant_id"):
        attachment = getattr(value, "attachment", None) or b""
        return {
            "from": value.from_participant_id,
            "kind": value.type,
            "message": value.message,
            "attachment": base64.b64encode(attachment).decode(),
        }
    if hasattr(value, "attributes"):
        return {"id": value.id, "role": value.role, "attributes": dict(value.attributes)}
    return {"value": value}


class Call:
    """A call whose input, output or both are streams."""

    def __init__(self) -> None:
        self.input: asyncio.Queue[Content | None] = asyncio.Queue()
        self.output: AsyncIterator[Content] | None = None

    async def contents(self) -> AsyncIterator[Content]:
        while (content := await self.input.get()) is not None:
            yield content


class Client:
    """One participant in a room, what it saw, and what is waited for."""

    def __init__(self, url: str, token: str, accepts_streams: bool) -> None:
        factory = WebSocketClientProtocol(url=url, token=token).create_factory()
        self.room = RoomClient(protocol_factory=factory)
        self.documents: dict[str, MeshDocument] = {}
        self.toolkits: dict[str, Any] = {}
        self.calls: dict[int, Call] = {}
        self.streams: list[Any] = []
        self.events: list[JSON] = []
        self._accepts_streams = accepts_streams
        self._waits: set[Callable[[], None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def enter(self) -> JSON:
        await self.room.__aenter__()
        emitters = {
            "room": self.room,
            "messaging": self.room.messaging,
            "storage": self.room.storage,
        }
        for source, names in EVENTS.items():
            emitter = emitters[source]
            for name in names:
                emitter.on(name, self._noter(name))
        self._run(self._watch())
        me = self.room.local_participant
        return {
            "id": me.id,
            "attributes": dict(me.attributes),
            "room": self.room.room_name,
            "url": self.room.room_url,
            "session": self.room.session_id,
        }

    async def _watch(self) -> None:
        await self.room.wait_for_close()
        self.note("closed")

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.room.__aexit__(None, None, None)

    def _noter(self, name: str) -> Callable[..., None]:
        def noted(**details: Any) -> None:
            if "request" in details:
                self._run(self._answer(details.pop("request")))
            self.note(name, **{key: describe(value) for key, value in details.items()})

        return noted

    def note(self, event: str, **details: Any) -> None:
        self.events.append({"event": event, **details})
        self.changed()

    def changed(self) -> None:
        for wait in tuple(self._waits):
            wait()

    async def until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        done = asyncio.Event()

        def check() -> None:
            if holds():
                done.set()

        self._waits.add(check)
        try:
            check()
            async with asyncio.timeout(seconds):
                await done.wait()
        except TimeoutError:
            raise AssertionError(f"never: {what}; events {self.events}; {self.seen()}") from None
        finally:
            self._waits.discard(check)

    def seen(self) -> JSON:
        documents = {path: document.to_json() for path, document in self.documents.items()}
        return {"documents": documents, "participants": self.participants()}

    def participants(self) -> list[JSON]:
        return [describe(each) for each in self.room.messaging.remote_participants]

    def named(self, name: str) -> Any:
        """Somebody else in the room, or itself."""
        found = self.room.messaging.get_participant_by_name(name)
        return self.room.local_participant if found is None else found

    # -- streams of messages

    def _run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Any) -> None:
        """Take what is said to it, and say it back."""
        if not self._accepts_streams:
            await request.reject(message="not now")
            return
        stream = await request.accept()
        async for event in stream:
            if hasattr(event, "message") and hasattr(event, "attachment"):
                await stream.send_message(
                    type="echo", message=event.message, attachment=event.attachment
                )
        self.note("stream_closed")

    # -- documents

    async def open(self, path: str, schema: JSON | None, create: bool, content: Any) -> Any:
        document = await self.room.sync.open(
            path=path,
            create=create,
            initial_json=content,
            schema=None if schema is None else MeshSchema.from_json(schema),
        )
        self.documents[path] = document
        received = document.receive_changes

        def receive_changes(message: JSON) -> None:
            received(message)
            self.changed()

        document.receive_changes = receive_changes
        return {"content": document.to_json(), "schema": document.schema.to_json()}

    def element(self, path: str, at: list[int]) -> Any:
        element: Any = self.documents[path].root
        for index in at:
            element = element.get_children()[index]
        return element

    def edit(self, path: str, kind: str, at: list[int], details: JSON) -> None:
        element = self.element(path, at)
        if kind == "append":
            element.append_json(details["content"])
        elif kind == "set":
            element.set_attribute(details["name"], details["value"])
        elif kind == "insert":
            element.insert(details["index"], details["text"], details.get("attributes"))
        else:
            assert kind == "delete" and isinstance(element, Element)
            element.delete()


CONDITIONS: dict[str, Callable[[Client, JSON], bool]] = {
    "event": lambda client, wanted: any(
        holds(event, wanted["wanted"]) for event in client.events[wanted["after"] :]
    ),
    "participant": lambda client, wanted: any(
        holds(each, wanted["wanted"]) for each in client.participants()
    ),
    "alone": lambda client, _: client.participants() == [],
    "content": lambda client, wanted: (
        client.documents[wanted["path"]].to_json() == wanted["content"]
    ),
    "children": lambda client, wanted: (
        len(client.documents[wanted["path"]].root.get_children()) == wanted["count"]
    ),
}


def holds(value: Any, wanted: Any) -> bool:
    """Whether a value has at least what is wanted."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        return all(key in value and holds(value[key], wanted[key]) for key in wanted)
    return bool(value == wanted)
