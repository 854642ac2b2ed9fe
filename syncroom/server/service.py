"""All of a server but what listens: rooms and their store, hooks, HTTP, and the gate."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from syncroom.admission import Admission
from syncroom.contents import Contents
from syncroom.engine import Engine
from syncroom.equipment import Equipment
from syncroom.errors import Unavailable
from syncroom.hook_runner import HookRunner
from syncroom.mesh_documents import MeshDocuments
from syncroom.room_lines import RoomLines
from syncroom.rooms import Rooms
from syncroom.server.address import TrustedProxies
from syncroom.server.app import create_app
from syncroom.server.gate import Gate
from syncroom.server.http.file_urls import UrlSigner
from syncroom.server.http.llm import LlmProxy
from syncroom.server.key_watch import KeyWatch
from syncroom.server.loop_watch import LoopWatch
from syncroom.server.tunnels import Tunnels
from syncroom.service_file import load_services
from syncroom.store.blobs import Blobs
from syncroom.store.keys import KeyFile
from syncroom.store.quarantine import Quarantine
from syncroom.store.seal import Seal
from syncroom.store.sqlite import SqliteStore
from syncroom.supervisor import Supervisor
from syncroom.token_endpoints import ConfiguredEndpoints
from syncroom.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from syncroom.auth.keys import Keyring
    from syncroom.backends import Backends
    from syncroom.hooks import Hooks
    from syncroom.limits import Limits
    from syncroom.service_file import ServiceConfig
    from syncroom.store.base import Store


class Service:
    """The parts of one server, on an open store."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        quarantine: Quarantine,
        keyring: Keyring,
        seal: Seal,
        services: list[ServiceConfig],
        limits: Limits,
        hooks: Hooks,
        backends: Backends,
        proxies: TrustedProxies,
        public_url: str | None,
    ) -> None:
        self._hooks = HookRunner(hooks, limits)
        self.rooms = Rooms(store, limits, self._hooks)
        self.contents = Contents(self.rooms, store, quarantine)
        self._hooks.contents = self.contents
        documents = MeshDocuments(self.contents, self.rooms)
        webhooks = Webhooks(keyring, backends.webhook_secret)
        self._engine = Engine(backends.container_engine)
        signer = UrlSigner(keyring, limits)
        endpoints = ConfiguredEndpoints(backends.oauth_token_endpoints)
        self.supervisor = Supervisor(services, keyring, limits, self._note_of_service)
        outside = seal, endpoints, self._engine, keyring, backends, self.supervisor.room
        parts = documents, webhooks, *outside, self.rooms
        equipment = Equipment(store, blobs, self.contents, signer.download, *parts)
        self.rooms.equip = equipment.registry
        self.contents.schemas.readers.insert(0, equipment.read_file)
        self.rooms.on_ending = equipment.end
        self.rooms.on_deletion = equipment.forget
        admission = Admission(keyring, limits, hooks)
        tunnels = Tunnels(
            self.rooms, keyring, backends.tunnels, has_containers=self._engine.is_there
        )
        self.gate = Gate(self.rooms, admission, proxies, public_url, tunnels)
        self._llm = LlmProxy(self.rooms, keyring, backends)
        self.app = create_app(self.gate, self.contents, self._llm, backends)
        self._lines = RoomLines(self.rooms.note)
        self._watch = LoopWatch(asyncio.get_running_loop(), self.rooms.metrics.loop_lag)

    async def close(self) -> None:
        """Put what arrived on disk, end services and connections, tell the hooks what waits."""
        await self.supervisor.close()
        await self.gate.close()
        await self._hooks.close()
        self._watch.close()
        self._lines.close()
        await self.contents.close()
        await self.rooms.close()
        await self._engine.close()
        await self._llm.close()

    def _note_of_service(self, room: str, kind: str, data: dict[str, Any]) -> None:
        try:
            self.rooms.room(room).is_kept = True
        except Unavailable:  # it is being deleted, and with it its log
            return
        self.rooms.note(room, kind, data)


@asynccontextmanager
async def running(
    data_dir: Path,
    secret: str | None,
    limits: Limits,
    hooks: Hooks,
    backends: Backends,
    *,
    proxies: str = "",
    public_url: str | None = None,
) -> AsyncIterator[Service]:
    """A server on a data folder; raises `Misconfigured`, `Damaged`.

    Args:
        data_dir: the folder; made if it is not there.
        secret: what tokens are signed with; None for the folder's own secret.
        limits: the bounds.
        hooks: what the program around it takes part in.
        backends: what the APIs of rooms use outside.
        proxies: whose word on the addresses of clients counts.
        public_url: where clients reach it; without it, where they sent their request.
    """
    files = KeyFile(data_dir)
    keyring = files.keyring(secret)
    key = backends.secrets_key
    seal = Seal(files.sealing_secret() if key is None else key.get_secret_value())
    services = load_services(data_dir, backends.services_file)
    trusted = TrustedProxies(proxies)
    store = SqliteStore(data_dir, commit_pause_s=limits.commit_pause_s)
    await store.open()
    try:
        parts = store, Blobs(data_dir), Quarantine(data_dir), keyring, seal, services
        service = Service(*parts, limits, hooks, backends, trusted, public_url)
        watch = KeyWatch(files, service.gate)
        try:
            await service.rooms.open()
            yield service
        finally:
            watch.close()
            await service.close()
    finally:
        await store.close()
