"""Where ``syncroom doc`` finds documents: in a data folder at rest, or on a server that runs."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import quote, urlencode

from syncroom.auth.participant import Participant
from syncroom.auth.paths import is_reserved, normalise
from syncroom.cli.remote import asking, error_of
from syncroom.contents import Contents
from syncroom.errors import Denied, Misconfigured, NotFound, Unavailable
from syncroom.rooms import Rooms
from syncroom.store.blobs import Blobs
from syncroom.store.quarantine import Quarantine
from syncroom.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from syncroom.limits import Limits

_OPERATOR = Participant("operator", "syncroom doc", "tool", None, None)
"""Who changes documents at rest; whoever may write to the folder may do everything."""


class Exported(NamedTuple):
    """A document in some format."""

    data: bytes
    incarnation: str
    quarantined: int
    """Records that it was read without."""
    left_out: int
    """Things that the schema does not know."""


class Source(Protocol):
    """Documents, wherever they are."""

    async def list(self, room: str | None) -> list[dict[str, Any]]:
        """What there is, of one room or of all."""

    async def export(self, room: str, path: str, form: str, root: str | None) -> Exported:
        """A document in some format."""

    async def take(self, room: str, path: str, form: str, root: str | None, body: bytes) -> bool:
        """Make a document what some bytes say; whether that changed anything."""

    async def delete(self, room: str, path: str) -> None:
        """End a document."""

    async def search(self, room: str, query: str, *, is_regex: bool) -> dict[str, Any]:
        """Where something stands, by path."""

    def compact(self, room: str | None, path: str | None) -> AsyncIterator[dict[str, Any]]:
        """Compact documents; what becomes of each, as it is done."""

    def check(self, room: str | None) -> AsyncIterator[dict[str, Any]]:
        """What is wrong with each document, as it is looked at; first, without a path, the rest."""


class AtRest:
    """The documents of a data folder, which this process holds."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits = limits
        self.folder = folder
        self.store = SqliteStore(folder, commit_pause_s=limits.commit_pause_s)
        self.quarantine = Quarantine(folder)
        self._limits = limits

    async def open(self) -> None:
        """Hold the folder; raises `Misconfigured` where a server does, or where there is none."""
        if not (self.folder / "syncroom.db").is_file():
            raise Misconfigured(
                f"there is no data folder {str(self.folder)!r}; name one with --data-dir"
            )
        try:
            await self.store.open()
        except Misconfigured as error:
            raise Misconfigured(f"{error}; a running server is reached with --url") from None
        self.rooms = Rooms(self.store, self._limits)
        self.rooms.on_deletion = Blobs(self.folder).delete_room
        self.contents = Contents(self.rooms, self.store, self.quarantine)

    async def close(self) -> None:
        """Put everything on disk, and let go of the folder."""
        await self.contents.close()
        await self.rooms.close()
        await self.store.close()

    async def list(self, room: str | None) -> list[dict[str, Any]]:
        """What there is, of one room or of all."""
        rooms = await self.store.rooms() if room is None else [room]
        return [
            {
                "room": name,
                "path": info.path,
                "created_ms": info.created_ms,
                "changed_ms": info.changed_ms,
                "bytes": info.stored_bytes,
            }
            for name in rooms
            for info in await self.store.documents(name)
        ]

    async def export(self, room: str, path: str, form: str, root: str | None) -> Exported:
        """A document in some format."""
        content = await self.contents.export(room, self._path(path), form, root)
        return Exported(
            content.value, content.incarnation, content.quarantined, len(content.left_out)
        )

    async def take(self, room: str, path: str, form: str, root: str | None, body: bytes) -> bool:
        """Make a document what some bytes say, under the name of the operator."""
        content = await self.contents.take(room, self._path(path), _OPERATOR, form, body, root)
        return bool(content.value)

    async def delete(self, room: str, path: str) -> None:
        """End a document."""
        await self.contents.delete(room, self._path(path))

    async def search(self, room: str, query: str, *, is_regex: bool) -> dict[str, Any]:
        """Where something stands, by path."""
        paths = [info.path for info in await self.store.documents(room)]
        return await self.contents.search(room, paths, query, is_regex=is_regex)

    async def compact(self, room: str | None, path: str | None) -> AsyncIterator[dict[str, Any]]:
        """Compact documents; what becomes of each, as it is done."""
        wanted = [each for each in await self.list(room) if path in (None, each["path"])]
        if path is not None and not wanted:
            raise NotFound(f"there is no document {path!r}")
        for each in wanted:
            done = await self.rooms.compactor.compact(each["room"], each["path"])
            yield {"room": each["room"], "path": each["path"], **done._asdict()}

    async def check(self, room: str | None) -> AsyncIterator[dict[str, Any]]:
        """What is wrong with each document, as it is looked at; first, without a path, the rest."""
        fsck = self.contents.fsck
        yield {"room": "", "path": "", "findings": list(map(asdict, await fsck.file()))}
        for each in await self.list(room):
            found = await fsck.document(each["room"], each["path"])
            place = {"room": each["room"], "path": each["path"]}
            yield {**place, "findings": list(map(asdict, found))}

    def _path(self, path: str) -> str:
        path = normalise(path, bytes_max=self._limits.path_bytes_max)
        if is_reserved(path):
            raise Denied("the documents in .room are the server's own")
        return path


class Remote:
    """The documents of a server, as far as a token lets its holder at them."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/")
        self._token = token

    async def list(self, room: str | None) -> list[dict[str, Any]]:
        """What there is in a room."""
        room = _named(room)
        answer = json.loads(self._ask("GET", f"{quote(room, safe='')}/documents")[0])
        return [{"room": room} | document for document in answer["documents"]]

    async def export(self, room: str, path: str, form: str, root: str | None) -> Exported:
        """A document in some format."""
        data, headers = self._ask("GET", _place(room, path), form, root)
        quarantined = int(headers.get("Syncroom-Quarantined", 0))
        left_out = int(headers.get("Syncroom-Left-Out", 0))
        return Exported(data, headers["Syncroom-Incarnation"], quarantined, left_out)

    async def take(self, room: str, path: str, form: str, root: str | None, body: bytes) -> bool:
        """Make a document what some bytes say, under the name of the token's holder."""
        method = "PATCH" if form == "patch" else "PUT"
        data, _ = self._ask(method, _place(room, path), form, root, body)
        return bool(json.loads(data)["changed"])

    async def delete(self, room: str, path: str) -> None:
        """End a document."""
        self._ask("DELETE", _place(room, path))

    async def search(self, room: str, query: str, *, is_regex: bool) -> dict[str, Any]:
        """Where something stands, by path."""
        parameters = urlencode({"q": query, "regex": int(is_regex)})
        data, _ = self._ask("GET", f"{quote(room, safe='')}/search?{parameters}")
        found: dict[str, Any] = json.loads(data)["documents"]
        return found

    async def compact(self, room: str | None, path: str | None) -> AsyncIterator[dict[str, Any]]:
        """Compact documents; what becomes of each, as it is done."""
        query = "" if path is None else "?" + urlencode({"path": path})
        for each in self._follow("POST", _named(room), f"compact{query}"):
            yield each

    async def check(self, room: str | None) -> AsyncIterator[dict[str, Any]]:
        """What is wrong with each document, as it is looked at; first, without a path, the rest."""
        for each in self._follow("GET", _named(room), "fsck"):
            yield each

    def _follow(self, method: str, room: str, place: str) -> Iterator[dict[str, Any]]:
        """The lines of an answer as they come; raises `Unavailable` where the last one does not."""
        with self._open(method, f"{quote(room, safe='')}/{place}") as answer:
            for line in filter(bytes.strip, answer):
                told = json.loads(line)
                if "error" in told:
                    raise error_of(answer.status, line)
                if "path" not in told:
                    return
                yield {"room": room, **told}
        raise Unavailable(f"the answer of {self._url} ended too early; try again")

    def _ask(
        self,
        method: str,
        place: str,
        form: str | None = None,
        root: str | None = None,
        body: bytes | None = None,
    ) -> tuple[bytes, Any]:
        given = {"format": form, "root": root}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        kind = "json-patch+json" if form == "patch" else "octet-stream"
        with self._open(method, place + (f"?{query}" if query else ""), body, kind) as answer:
            return answer.read(), answer.headers

    def _open(
        self, method: str, place: str, body: bytes | None = None, kind: str = ""
    ) -> AbstractContextManager[Any]:
        url = f"{self._url}/api/rooms/{place}"
        return asking(method, url, self._token, body, f"application/{kind}")


@asynccontextmanager
async def at_rest(folder: Path, limits: Limits) -> AsyncIterator[AtRest]:
    """The data folder, held for a while."""
    source = AtRest(folder, limits)
    await source.open()
    try:
        yield source
    finally:
        await source.close()


def _named(room: str | None) -> str:
    if room is None:
        raise Misconfigured("name the room: a token is good for its rooms only")
    return room


def _place(room: str, path: str) -> str:
    return f"{quote(room, safe='')}/documents/{quote(path)}"
