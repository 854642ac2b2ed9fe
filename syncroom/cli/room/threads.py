"""The threads in a folder of a room, and the list of them that chats show."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from syncroom.cli.doc_source import Remote
from syncroom.cli.room.conversations import entry
from syncroom.errors import Conflict, Malformed

if TYPE_CHECKING:
    from syncroom.cli.room.conversations import Conversation, Writing
    from syncroom.client.room import RoomClient


class Threads:
    """Threads that are made of conversations.

    Args:
        room: where.
        folder: the folder in it.
        writing: how a conversation becomes a thread.
    """

    def __init__(self, room: RoomClient, folder: str, writing: Writing) -> None:
        self.imported = self.skipped_existing = 0
        self._room = room
        self._folder = folder.rstrip("/")
        self._list = f"{self._folder}/index.threadl"
        self._writing = writing
        self._remote = Remote(room.server, room.token)
        self._seen: Counter[str] = Counter()
        self._places: dict[str, int] = {}
        """In the list, by path."""

    async def open(self) -> None:
        """Make the list where there is none; raises `Malformed` where it is something else."""
        with suppress(Conflict):
            await self._room.call("sync", "create", {"path": self._list})
        answer = await self._room.call("sync", "describe", {"path": self._list})
        try:
            lines = answer.header["json"]["thread_list"]["threads"]
        except KeyError:
            raise Malformed(f"{self._list!r} has the schema of something else") from None
        self._places = {each["thread"].get("path"): at for at, each in enumerate(lines)}

    async def add(self, conversation: Conversation, *, overwrite: bool) -> None:
        """Make a thread of a conversation, and list it; one that is there may be overwritten."""
        path, content = self._path(conversation), self._writing.thread(conversation)
        try:
            await self._room.call("sync", "create", {"path": path, "json": content})
        except Conflict:
            if not overwrite:
                self.skipped_existing += 1
                return
            await self._take(path, "json", content)
        await self._enter(path, entry(conversation, path, datetime.now(UTC).isoformat()))
        self.imported += 1

    async def _enter(self, path: str, line: dict[str, Any]) -> None:
        place = self._places.get(path)
        if place is None:
            change = {"op": "add", "path": "/thread_list/threads/-", "value": line}
            self._places[path] = len(self._places)
        else:
            change = {"op": "replace", "path": f"/thread_list/threads/{place}", "value": line}
        await self._take(self._list, "patch", [change])

    def _path(self, conversation: Conversation) -> str:
        """Where its thread is; an export may have several of one id."""
        self._seen[conversation.id] += 1
        count = self._seen[conversation.id]
        number = "" if count == 1 else f" {count}"
        return f"{self._folder}/{conversation.id}{number}.thread"

    async def _take(self, path: str, form: str, content: Any) -> None:
        body = json.dumps(content).encode()
        await self._remote.take(self._room.name, path, form, None, body)
