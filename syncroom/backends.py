"""What lies outside a server and its data folder, and APIs of rooms make use of."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Backends(BaseModel):
    """Where such things are, and what opens them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook_secret: SecretStr | None = None
    """What calls of agents elsewhere are signed with, so that they know who calls."""

    secrets_key: SecretStr | None = None
    """What the secrets of rooms are sealed with. Without it one is made, and kept in the data
    folder."""
    oauth_token_endpoints: tuple[str, ...] = ()
    """The URLs at which OAuth codes may be redeemed for tokens."""

    container_engine: str | None = Field(default=None, pattern=r"^(unix:///|(http|tcp)://[^/]+$)")
    """The engine that containers of rooms run in, as ``unix:///run/docker.sock`` or
    ``http://127.0.0.1:2375``: Docker, or anything that speaks its API."""

    container_builds: bool = False
    """Whether participants may build images there. A build has bounds on memory, processor and,
    with Docker, time, and none on processes and disk: engines know no such."""

    openai_url: str | None = Field(default=None, pattern=r"^https?://")
    """Where language models are asked for as OpenAI has it, as ``https://api.openai.com/v1``."""
    openai_key: SecretStr | None = None
    """The key for it, if it wants one."""

    anthropic_url: str | None = Field(default=None, pattern=r"^https?://")
    """The same as Anthropic has it, as ``https://api.anthropic.com/v1``."""
    anthropic_key: SecretStr | None = None

    livekit_url: str | None = Field(default=None, pattern=r"^wss?://")
    """The LiveKit server that calls of rooms are on, as clients reach it."""
    livekit_key: str | None = None
    """The name of a key of that server."""
    livekit_secret: SecretStr | None = None
    """What belongs to that key, and tokens for calls are signed with."""

    services_file: Path | None = None
    """The YAML file with the services to run; without it ``services.yaml`` in the data folder, if
    that is there."""

    tunnels: dict[str, tuple[int, ...]] = {}
    """Services that tunnels may lead to: the ports of each on the server's loopback, by name."""
