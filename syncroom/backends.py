"""What lies outside a server and its data folder, and APIs of rooms make use of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr


class Backends(BaseModel):
    """Where such things are, and what opens them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook_secret: SecretStr | None = None
    """What calls of agents elsewhere are signed with, so that they know who calls."""
