"""Participant tokens, minted here, so that a test can make every claim a wrong one."""

from __future__ import annotations

import time
from typing import Any

import jwt

PRESETS = {
    "user-default": (
        "livekit queues messaging dataset sqlite memory sync storage containers developer agents"
        " services secrets"
    ).split(),
}
PRESETS["agent-default"] = [*PRESETS["user-default"], "llm"]
PRESETS["full"] = [*PRESETS["agent-default"], "admin", "tunnels"]


def api_scope(preset: str, sync: list[str] | None) -> dict[str, Any]:
    """A preset's grants; ``sync`` narrows its documents to paths, ``path:ro`` to reading them."""
    scope: dict[str, Any] = {name: {} for name in PRESETS[preset]}
    if sync is not None:
        scope["sync"] = {"paths": [_sync_path(line) for line in sync]}
    return scope


def _sync_path(line: str) -> dict[str, Any]:
    if line.endswith(":ro"):
        return {"path": line.removesuffix(":ro"), "read_only": True}
    return {"path": line}


def mint(
    secret: str,
    *,
    room: str | None,
    name: str,
    role: str | None,
    api: dict[str, Any] | None,
    ttl: float | None = None,
    algorithm: str = "HS256",
    **claims: Any,
) -> str:
    grants: list[dict[str, Any]] = []
    if room is not None:
        grants.append({"name": "room", "scope": room})
    if role is not None:
        grants.append({"name": "role", "scope": role})
    if api is not None:
        grants.append({"name": "api", "scope": api})
    payload: dict[str, Any] = {"name": name, "grants": grants}
    if ttl is not None:
        payload["exp"] = int(time.time() + ttl)
    key = "" if algorithm == "none" else secret
    return jwt.encode(payload | claims, key, algorithm=algorithm)
