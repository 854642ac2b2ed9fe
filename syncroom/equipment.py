"""What the APIs of rooms are made from: the parts of a server that they share."""

from __future__ import annotations

import hmac
import logging
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from syncroom.agent_tokens import environment
from syncroom.apis.agents import Agents
from syncroom.apis.builds import Builds
from syncroom.apis.containers import Containers
from syncroom.apis.developer import Developer
from syncroom.apis.files import Files
from syncroom.apis.livekit import Livekit
from syncroom.apis.messaging import Messaging
from syncroom.apis.mounts import Mounts
from syncroom.apis.queues import Queues
from syncroom.apis.registry import Registry
from syncroom.apis.room_containers import RoomContainers
from syncroom.apis.room_images import RoomImages
from syncroom.apis.secrets import Secrets
from syncroom.apis.services import Services
from syncroom.apis.shelf import Shelf
from syncroom.apis.storage import Storage
from syncroom.apis.sync import Sync
from syncroom.apis.vault import Vault
from syncroom.errors import LimitExceeded, NotFound, SyncroomError
from syncroom.logs import about

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncroom.apis.base import Caller
    from syncroom.apis.oauth import TokenEndpoints
    from syncroom.apis.queues import Keep, Load
    from syncroom.apis.services import RoomServices
    from syncroom.apis.sync import SchemaDocuments
    from syncroom.auth.keys import Keyring
    from syncroom.backends import Backends
    from syncroom.contents import Contents
    from syncroom.engine import Engine
    from syncroom.room import Room
    from syncroom.rooms import Rooms
    from syncroom.store.base import Item, Store
    from syncroom.store.blobs import Blobs
    from syncroom.store.seal import Seal
    from syncroom.webhooks import Webhooks

    SignUrl = Callable[[str, Caller, str, bool], str]

_log = logging.getLogger("syncroom.equipment")


class Equipment:
    """Makes the APIs of a room.

    Args:
        store: where APIs keep what has to last.
        blobs: where the bytes of files are.
        contents: the content of documents.
        sign_url: makes URLs of files that work alone, for a room.
        documents: documents with schemas.
        webhooks: calls agents elsewhere.
        seal: seals secrets.
        endpoints: where OAuth codes are redeemed.
        engine: what containers run in.
        keyring: holds the secret that tokens are signed with.
        backends: what else lies outside.
        services: says which programs run for a room, by its name.
        rooms: the rooms.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        contents: Contents,
        sign_url: SignUrl,
        documents: SchemaDocuments,
        webhooks: Webhooks,
        seal: Seal,
        endpoints: TokenEndpoints,
        engine: Engine,
        keyring: Keyring,
        backends: Backends,
        services: Callable[[str], RoomServices],
        rooms: Rooms,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._contents = contents
        self._sign_url = sign_url
        self._files: WeakValueDictionary[str, Files] = WeakValueDictionary()
        """The catalogues in use: two of one room would sweep each other's uploads away."""
        self._builds: WeakValueDictionary[str, Builds] = WeakValueDictionary()
        """Those of rooms in use, and those that run: a room has one at a time."""
        self._lives: WeakValueDictionary[str, _Life] = WeakValueDictionary()
        self._documents = documents
        self._webhooks = webhooks
        self._seal = seal
        self._endpoints = endpoints
        self._engine = engine
        self._keyring = keyring
        self._backends = backends
        self._server = self._digest("containers")[:16]
        """Tells its containers from those of other servers on the engine."""
        self._services = services
        self._rooms = rooms
        self._limits = rooms.limits

    def registry(self, room: Room) -> Registry:
        """The APIs of one room."""
        here = room.participants
        shelf = self._shelf(room)
        return Registry(
            Messaging(here.members, here.is_editor, room.limits),
            Agents(partial(self._webhooks.call, room.name), room.limits),
            Sync(room, self._documents, self._rooms.flush),
            Queues(*self._kept(room.name, Queues.name), room.limits),
            Storage(shelf, partial(self._sign_url, room.name), room.limits.transfer_stalled_s_max),
            Developer(room.limits),
            self._secrets(room),
            self._containers(room, shelf),
            Mounts(),
            Livekit(room.name, self._backends, room.limits),
            Services(self._services(room.name)),
        )

    async def read_file(self, room: str, path: str) -> bytes:
        """A file of a room, whole; raises `NotFound`, `LimitExceeded`."""
        async with self._catalogue(room).reading(path) as (file, source):
            if file.size > self._limits.schema_bytes_max:
                raise LimitExceeded(f"{path!r} has {file.size} bytes, too many for a schema")
            return await source.read()

    def end(self, room: str) -> None:
        """Keep nothing more for a room that is deleted now, whatever is still on its way."""
        life = self._lives.pop(room, None)
        if life is not None:
            life.is_over = True
        self._files.pop(room, None)
        builds = self._builds.pop(room, None)
        if builds is not None:
            builds.end()

    async def forget(self, room: str) -> None:
        """Take the files, containers and images of a deleted room away; raises `Unavailable`."""
        await self._blobs.delete_room(room)
        try:
            await self._containers_of(room).remove_all()
            await self._images_of(room).remove_all()
        except SyncroomError as error:
            _log.error(
                "containers or images of a deleted room stay: %s", error, extra=about(room=room)
            )

    def _shelf(self, room: Room) -> Shelf:
        files, documents = self._catalogue(room.name), _Documents(self._contents, room.name)
        return Shelf(files, documents, room.participants.members)

    def _secrets(self, room: Room) -> Secrets:
        kept = self._kept(room.name, Secrets.name)
        vault = Vault(room.name, *kept, self._seal, room.limits)
        return Secrets(vault, self._endpoints, room.participants.members, room.limits)

    def _containers(self, room: Room, shelf: Shelf) -> Containers:
        environ = partial(environment, self._keyring, room.name)
        mine, images = self._containers_of(room.name), self._images_of(room.name)
        is_allowed = self._backends.container_builds
        builds = self._builds.get(room.name) or Builds(images, is_allowed, room.limits)
        self._builds[room.name] = builds
        return Containers(mine, images, builds, shelf, environ, room.limits)

    def _containers_of(self, room: str) -> RoomContainers:
        return RoomContainers(self._engine, self._server, room)

    def _images_of(self, room: str) -> RoomImages:
        return RoomImages(self._engine, self._server, room, self._digest(f"images {room}")[:32])

    def _digest(self, what: str) -> str:
        secret = self._keyring.secret_for(None).encode()
        return hmac.new(secret, what.encode(errors="surrogateescape"), "sha256").hexdigest()

    def _kept(self, room: str, api: str) -> tuple[Load, Keep]:
        """How an API reads and writes what it keeps."""
        life = self._lives.get(room) or _Life()
        self._lives[room] = life

        async def keep(put: Sequence[Item], drop: Sequence[tuple[str, int]]) -> None:
            if life.is_over:
                raise NotFound(f"the room {room!r} was deleted")
            await self._store.change_items(room, api, put, drop)

        return partial(self._store.items, room, api), keep

    def _catalogue(self, room: str) -> Files:
        """The files of a room."""
        files = self._files.get(room)
        if files is None:
            documents = partial(self._store.documents, room)
            kept = self._kept(room, Storage.name)
            is_open = partial(self._rooms.is_open, room)
            files = Files(room, self._blobs, *kept, documents, is_open, self._limits)
            self._files[room] = files
        return files


class _Life:
    """A room until it is deleted. One of the same name that is made then is another."""

    is_over = False


class _Documents:
    """The documents of a room, as far as they are files."""

    def __init__(self, contents: Contents, room: str) -> None:
        self._contents = contents
        self._room = room

    async def read(self, path: str) -> bytes:
        content: bytes = (await self._contents.export(self._room, path, "json")).value
        return content

    async def end(self, path: str) -> None:
        await self._contents.delete(self._room, path)
