"""
An ApiScope: which APIs of a room a participant may call, and what it may do with each.

A field that is absent denies its API; an empty object grants it with its defaults. Names and
helpers are those of the published SDKs, so that a scope written for one of them reads the same
here; what those SDKs spell differently (``database`` for ``dataset``, ``false`` for absent) is
understood.
"""

from __future__ import annotations

from pydantic import JsonValue, model_validator

from syncroom.auth.data_grants import (
    DatasetGrant,
    MemoryEntryGrant,
    MemoryGrant,
    MemoryPermissions,
    SqliteDatabaseGrant,
    SqliteGrant,
    SqliteTableGrant,
    TableGrant,
)
from syncroom.auth.grant import Grant, Names, any_matches, contains, matches
from syncroom.auth.storage_grant import FilePathRule, FilesPolicy, StorageGrant, StoragePathGrant
from syncroom.auth.sync_grant import SyncGrant, SyncPathGrant

__all__ = [
    "AdminGrant",
    "AgentsGrant",
    "ApiScope",
    "ContainerRegistryGrant",
    "ContainersGrant",
    "DatasetGrant",
    "DeveloperGrant",
    "FilePathRule",
    "FilesPolicy",
    "LLMGrant",
    "LivekitGrant",
    "MemoryEntryGrant",
    "MemoryGrant",
    "MemoryPermissions",
    "MessagingGrant",
    "OAuthEndpoint",
    "QueuesGrant",
    "SecretsGrant",
    "ServicesGrant",
    "SqliteDatabaseGrant",
    "SqliteGrant",
    "SqliteTableGrant",
    "StorageGrant",
    "StoragePathGrant",
    "SyncGrant",
    "SyncPathGrant",
    "TableGrant",
    "TunnelsGrant",
]

_DATASET_ALIASES = ("dataset", "database", "datasets")


class LivekitGrant(Grant):
    """Which breakout rooms of a call may be joined."""

    breakout_rooms: Names | None = None

    def can_join_breakout_room(self, name: str) -> bool:
        return contains(self.breakout_rooms, name)


class QueuesGrant(Grant):
    """Which queues may be sent to and received from."""

    send: Names | None = None
    receive: Names | None = None
    list: bool = True

    def can_send(self, queue: str) -> bool:
        return contains(self.send, queue)

    def can_receive(self, queue: str) -> bool:
        return contains(self.receive, queue)


class MessagingGrant(Grant):
    """Whether messages may be sent, to one or to all, and the participants be listed."""

    broadcast: bool = True
    list: bool = True
    send: bool = True


class ContainerRegistryGrant(Grant):
    """Which repositories of the room's registry may be listed, pulled, run and written."""

    list: Names | None = None
    pull: Names | None = None
    run: Names | None = None
    write: Names | None = None

    def can_list(self, repository: str) -> bool:
        """Whether a repository is listed; without a list, what may be used may be seen."""
        if self.list is not None:
            return any_matches(self.list, repository)
        given = [names for names in (self.pull, self.run, self.write) if names is not None]
        return not given or any(any_matches(names, repository) for names in given)

    def can_pull(self, repository: str) -> bool:
        return any_matches(self.pull, repository)

    def can_run(self, repository: str) -> bool:
        return any_matches(self.run, repository)

    def can_write(self, repository: str) -> bool:
        return any_matches(self.write, repository)


class ContainersGrant(Grant):
    """Whether containers may be used, and which images pulled and run."""

    logs: bool = True
    pull: Names | None = None
    run: Names | None = None
    registry: ContainerRegistryGrant | None = None
    use_containers: bool = True

    def can_pull(self, tag: str) -> bool:
        return any_matches(self.pull, tag)

    def can_run(self, tag: str) -> bool:
        return any_matches(self.run, tag)

    def can_registry_list(self, repository: str) -> bool:
        return self.registry is None or self.registry.can_list(repository)

    def can_registry_pull(self, repository: str) -> bool:
        return self.registry is None or self.registry.can_pull(repository)

    def can_registry_run(self, repository: str) -> bool:
        return self.registry is None or self.registry.can_run(repository)

    def can_registry_write(self, repository: str) -> bool:
        return self.registry is None or self.registry.can_write(repository)


class DeveloperGrant(Grant):
    """Whether the room's logs may be followed."""

    logs: bool = True


class AgentsGrant(Grant):
    """What a participant may register for others, and what of theirs it may call."""

    register_agent: bool = True
    register_public_toolkit: bool = True
    register_private_toolkit: bool = True
    call: bool = True
    use_agents: bool = True
    use_tools: bool = True
    allowed_toolkits: Names | None = None

    def can_use_toolkit(self, name: str) -> bool:
        return contains(self.allowed_toolkits, name)


class LLMGrant(Grant):
    """Which language models may be used, as ``provider/model``."""

    models: Names | None = None

    def can_use_provider(self, provider: str) -> bool:
        """Whether some model of a provider may be used."""
        prefix = provider.strip() + "/"
        if prefix == "/":
            return False
        return self.models is None or any(it.strip().startswith(prefix) for it in self.models)

    def can_use_model(self, *, provider: str, model: str) -> bool:
        provider, model = provider.strip(), model.strip()
        return bool(provider and model) and any_matches(self.models, f"{provider}/{model}")


class AdminGrant(Grant):
    """Whether the room's configuration may be read and changed."""

    config: bool = True


class OAuthEndpoint(Grant):
    """An OAuth endpoint, or with a last ``*`` every one that begins so, for one client."""

    endpoint: str
    client_id: str


class SecretsGrant(Grant):
    """For which OAuth endpoints tokens may be requested."""

    request_oauth_token: list[OAuthEndpoint] | None = None

    def can_request_oauth_token(self, *, endpoint: str, client_id: str) -> bool:
        return self.request_oauth_token is None or any(
            matches(it.endpoint, endpoint) and it.client_id == client_id
            for it in self.request_oauth_token
        )


class TunnelsGrant(Grant):
    """To which ports of a container connections may be forwarded."""

    ports: Names | None = None

    def can_forward(self, port: int) -> bool:
        """Whether a port is listed; here an empty list, like none, means every port."""
        return not self.ports or str(port) in self.ports


class ServicesGrant(Grant):
    """Whether the room's services may be listed."""

    list: bool = True


class ApiScope(Grant):
    """Everything that one participant may do in a room; an absent field denies its API."""

    livekit: LivekitGrant | None = None
    queues: QueuesGrant | None = None
    messaging: MessagingGrant | None = None
    dataset: DatasetGrant | None = None
    sqlite: SqliteGrant | None = None
    memory: MemoryGrant | None = None
    sync: SyncGrant | None = None
    storage: StorageGrant | None = None
    containers: ContainersGrant | None = None
    developer: DeveloperGrant | None = None
    agents: AgentsGrant | None = None
    llm: LLMGrant | None = None
    admin: AdminGrant | None = None
    secrets: SecretsGrant | None = None
    tunnels: TunnelsGrant | None = None
    services: ServicesGrant | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_spellings(cls, fields: object) -> object:
        """Accept what published clients write: other names of ``dataset``, ``false`` for none."""
        if not isinstance(fields, dict):
            return fields
        read = {name: _absent_if_falsy(value) for name, value in fields.items()}
        spelling = next((name for name in _DATASET_ALIASES if name in read), None)
        if spelling is not None:
            read["dataset"] = read[spelling]
        return read

    @staticmethod
    def agent_default(*, tunnels: bool = False) -> ApiScope:
        """What agents get: everything but administration, and tunnels only when asked for."""
        return ApiScope(
            livekit=LivekitGrant(),
            queues=QueuesGrant(),
            messaging=MessagingGrant(),
            dataset=DatasetGrant(),
            sqlite=SqliteGrant(),
            memory=MemoryGrant(),
            sync=SyncGrant(),
            storage=StorageGrant(),
            containers=ContainersGrant(),
            developer=DeveloperGrant(),
            agents=AgentsGrant(),
            llm=LLMGrant(),
            services=ServicesGrant(),
            secrets=SecretsGrant(),
            tunnels=TunnelsGrant() if tunnels else None,
        )

    @staticmethod
    def user_default() -> ApiScope:
        """What people get: the same as agents, but for language models."""
        return ApiScope.agent_default().model_copy(update={"llm": None})

    @staticmethod
    def full() -> ApiScope:
        """Everything there is."""
        return ApiScope.agent_default(tunnels=True).model_copy(update={"admin": AdminGrant()})


def _absent_if_falsy(value: JsonValue) -> JsonValue:
    """Read ``false``, ``0`` and ``""`` as null, as JavaScript does; an empty object is a grant."""
    return None if value in (False, "") else value
