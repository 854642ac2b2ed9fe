"""
Every tool of every API against every grant: denied exactly where the grant says so.

The tools are those of a server's own rooms, the rights those of the grants' models. A tool that
`TOOLS` doesn't name, and a right that is neither a yes or no nor in `NARROWED`, fail the test.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.apis.calls import start
from syncroom.auth.scopes import ApiScope
from syncroom.backends import Backends
from syncroom.errors import SyncroomError
from syncroom.hooks import Hooks
from syncroom.limits import Limits
from syncroom.protocol.meshagent import json_content
from syncroom.server.service import running
from tests.apis.fakes import Asked, FakeCaller, call_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from syncroom.apis.registry import Registry
    from syncroom.auth.grant import Grant

JSON = dict[str, Any]

DENIED = 1001
WORDS = "permission denied: you do not have permission to perform the requested action"
WAIT_S_MAX = 60.0
SECRET = "the secret of a server whose grants are tested: 0123456789"


@dataclass(frozen=True)
class Tool:
    """What a tool is asked here, and what takes the right to it away.

    Args:
        arguments: a request that is well formed.
        denied_by: the rights of its grant that it takes: fields of the grant's model, or names of
            `NARROWED`; those of another grant bear its name and a dot before.
    """

    arguments: JSON
    denied_by: frozenset[str]


def tool(*denied_by: str, **arguments: Any) -> Tool:
    return Tool(arguments, frozenset(denied_by))


NARROWED: dict[str, dict[str, JSON]] = {
    "containers": {
        "run": {"run": ["other*"]},
        "pull": {"pull": ["other*"]},
        "run and pull": {"run": [], "pull": []},
        "registry": {"registry": {"write": []}},
    },
    "secrets": {
        "request_oauth_token": {
            "request_oauth_token": [{"endpoint": "http://other", "client_id": "me"}]
        }
    },
    "livekit": {"breakout_rooms": {"breakout_rooms": ["other"]}},
    "queues": {
        "send": {"send": ["other"]},
        "receive": {"receive": ["other"]},
        "send and receive": {"send": [], "receive": []},
    },
    "agents": {"allowed_toolkits": {"allowed_toolkits": ["other"]}},
    "sync": {
        "paths": {"paths": [{"path": "other/*"}]},
        "paths to write": {"paths": [{"path": "*", "read_only": True}]},
    },
    "storage": {
        "paths": {"paths": [{"path": "other/"}]},
        "paths to write": {"paths": [{"path": "", "read_only": True}]},
        "files": {"files": {"paths": []}},
        "files to list": {
            "files": {"paths": [{"path": "", "recursive": True, "actions": ["list"]}]}
        },
    },
}
"""Grants that allow less than they might, where a right is no yes or no: its name, and a grant
without it."""

OAUTH = {
    "client_id": "me",
    "authorization_endpoint": "http://127.0.0.1:9/a",
    "token_endpoint": "http://127.0.0.1:9/t",
}
SENT = {"type": "note", "message_json": "{}"}
TO = {"to_participant_id": "nobody"}
STORED = ("paths", "files", "files to list")
WRITTEN = (*STORED, "paths to write")
UNCONDITIONAL = (
    *("list_builds", "list_containers", "list_images"),
    *("load", "load_image", "push_image", "run_service", "save_image"),
)

TOOLS: dict[str, Tool] = {
    "agents.register_toolkit": tool("register_private_toolkit", name="desk"),
    "agents.register_toolkit public": tool("register_public_toolkit", name="hall", public=True),
    "agents.unregister_toolkit": tool(id="none"),
    "agents.list_toolkits": tool("use_tools"),
    "agents.call": tool("call", name="agent", url="http://127.0.0.1:9/"),
    "agents.invoke": tool("call", "allowed_toolkits"),
    **{f"containers.{name}": tool("use_containers") for name in UNCONDITIONAL},
    "containers.delete_image": tool("use_containers", image="a"),
    "containers.build": tool(
        *("use_containers", "run", "pull", "run and pull", "registry"), kind="start", tags=["a"]
    ),
    "containers.get_build_logs": tool("use_containers", "logs", kind="start", build_id="a"),
    "containers.cancel_build": tool("use_containers", build_id="a"),
    "containers.delete_build": tool("use_containers", build_id="a"),
    "containers.stop_container": tool("use_containers", container_id="a"),
    "containers.delete_container": tool("use_containers", container_id="a"),
    "containers.wait_for_exit": tool("use_containers", container_id="a"),
    "containers.exec": tool("use_containers", kind="start", container_id="a"),
    "containers.logs": tool("use_containers", "logs", kind="start", container_id="a"),
    "containers.run": tool("use_containers", "run", "run and pull", image="a"),
    "containers.pull_image": tool("use_containers", "pull", "run and pull", tag="a"),
    "containers.inspect_image": tool("use_containers", "run and pull", image_id="a"),
    "mounts.list": tool("use_containers"),
    "livekit.connect": tool(),
    "livekit.connect beside": tool("breakout_rooms", breakout_room="here"),
    "developer.log": tool("logs", type="note", data={}),
    "developer.info": tool("logs", message="here"),
    "developer.warning": tool("logs", message="here"),
    "developer.error": tool("logs", message="here"),
    "developer.logs": tool("logs"),
    "messaging.enable": tool(),
    "messaging.disable": tool(),
    "messaging.send": tool("send", **SENT, **TO),
    "messaging.broadcast": tool("broadcast", **SENT),
    "messaging.stream": tool("send", **SENT, **TO),
    "queues.list": tool("list"),
    "queues.open": tool("send and receive", name="jobs"),
    "queues.send": tool("send", "send and receive", name="jobs", message={}),
    "queues.receive": tool("receive", "send and receive", name="jobs", wait=False),
    "queues.drain": tool("receive", "send and receive", name="jobs"),
    "queues.close": tool("send and receive", name="jobs"),
    "secrets.list_secrets": tool(),
    "secrets.exists": tool(secret_id="a"),
    "secrets.exists of another": tool("admin.config", secret_id="a", for_identity="ben"),
    "secrets.set_secret": tool(secret_id="a"),
    "secrets.set_secret of another": tool("admin.config", secret_id="a", for_identity="ben"),
    "secrets.get_secret": tool(secret_id="a"),
    "secrets.delete_secret": tool(id="a"),
    "secrets.delete_requested_secret": tool(url="http://127.0.0.1:9/", type="a"),
    "secrets.request_secret": tool(url="http://127.0.0.1:9/", type="a", participant_id="nobody"),
    "secrets.provide_secret": tool(request_id="none"),
    "secrets.request_oauth_token": tool(
        "request_oauth_token", oauth=OAUTH, redirect_uri="http://x", participant_id="nobody"
    ),
    "secrets.get_offline_oauth_token": tool("request_oauth_token", oauth=OAUTH),
    "secrets.provide_oauth_authorization": tool(request_id="none", code="c"),
    "services.list": tool("list"),
    "services.restart": tool(service_id="none"),
    "storage.exists": tool("paths", "files", path="a/b"),
    "storage.stat": tool("paths", "files", path="a/b"),
    "storage.list": tool("paths", "files", path="a"),
    "storage.delete": tool(*WRITTEN, path="a/b"),
    "storage.move": tool(*WRITTEN, source_path="a/b", destination_path="a/c"),
    "storage.download_url": tool(*STORED, path="a/b"),
    "storage.upload": tool(*WRITTEN, kind="start", path="a/b", size=0, overwrite=True),
    "storage.download": tool(*STORED, kind="start", path="a/b"),
    "sync.create": tool("paths", "paths to write", path="a.page"),
    "sync.describe": tool("paths", path="a.page"),
    "sync.open": tool("paths", kind="start", path="a.page", create=False),
    "sync.open new": tool("paths", "paths to write", kind="start", path="b.page"),
}


class Caller(FakeCaller):
    """One with just these grants, which is sent documents as well."""

    def __init__(self, name: str, scope: ApiScope | None) -> None:
        super().__init__(name)
        self.participant = replace(self.participant, scope=scope)

    def write(self, frames: bytes) -> None:
        """What comes is not looked at."""


def fields() -> dict[str, type[Grant]]:
    """The grants of a scope, by field."""
    full = ApiScope.full()
    return {name: type(getattr(full, name)) for name in ApiScope.model_fields}


def grant_of(name: str) -> str:
    """The grant that a tool of the table is under: that of its toolkit's name, but for one."""
    toolkit = name.split(".")[0]
    return "containers" if toolkit == "mounts" else toolkit


def rights_off() -> dict[tuple[str, str], JSON]:
    """Each right of each grant, and the grant without it."""
    found = {(grant, name): made for grant in NARROWED for name, made in NARROWED[grant].items()}
    for grant, model in fields().items():
        for name, field in model.model_fields.items():
            if field.annotation is bool:
                found[grant, name] = {name: False}
    return found


def scopes() -> dict[str, tuple[JSON | None, tuple[str, str] | None]]:
    """Every set of grants by its name, and which right of which grant is taken from it."""
    full: JSON = {name: {} for name in fields()}
    sets: dict[str, tuple[JSON | None, tuple[str, str] | None]] = {
        "no api grant": (None, None),
        "an empty scope": ({}, None),
        "everything": (full, None),
    }
    for name in full:
        sets[f"only {name}"] = ({name: {}}, None)
        sets[f"all but {name}"] = ({other: {} for other in full if other != name}, None)
    for (grant, right), made in rights_off().items():
        sets[f"all, {grant} without {right}"] = (full | {grant: made}, (grant, right))
        sets[f"only {grant} without {right}"] = ({grant: made}, (grant, right))
    return sets


def is_granted(name: str, grants: JSON | None, off: tuple[str, str] | None) -> bool:
    api = grant_of(name)
    if grants is None or api not in grants:
        return False
    for right in TOOLS[name].denied_by:
        grant, _, field = right.rpartition(".")
        if (grant and grant not in grants) or off == (grant or api, field):
            return False
    return True


@asynccontextmanager
async def registry(data_dir: Path) -> AsyncIterator[Registry]:
    given = SECRET, Limits(), Hooks(), Backends()
    async with running(data_dir, *given) as service:
        yield service.rooms.room("demo").apis


def toolkits(apis: Registry) -> dict[str, Any]:
    return {"agents": apis.agents, **apis.toolkits}


async def answers(apis: Registry, name: str, caller: Caller) -> list[JSON]:
    """All that a caller hears when it asks for something."""
    asked = call_of(caller)
    api, verb = name.split(" ")[0].split(".")
    content = json_content(TOOLS[name].arguments)
    if name == "agents.invoke":
        _invoke(apis, asked)
    else:
        toolkit = toolkits(apis)[api]
        start(toolkit, toolkit.tools[verb], asked.call, content)
    async with asyncio.timeout(WAIT_S_MAX):
        await asked.over.wait()
    return [dict(each.header) for each in asked.answers] + [
        each.header["chunk"] for each in caller.sent if "chunk" in each.header
    ]


def _invoke(apis: Registry, asked: Asked) -> None:
    """Call a toolkit that nobody hosts, as a session does."""
    try:
        apis.agents.invoke(
            asked.call, "desk", "none", json_content({}), participant_id="x", on_behalf_of_id=None
        )
    except SyncroomError as error:
        asked.call.fail(str(error), apis.agents.number(error))


@pytest.mark.timeout(120)
async def test_every_tool_is_denied_exactly_where_the_grant_says_so(tmp_path: Path) -> None:
    wrong: list[str] = []
    async with registry(tmp_path) as apis:
        for label, (grants, off) in scopes().items():
            scope = None if grants is None else ApiScope.model_validate(grants)
            asked = (answers(apis, name, Caller("ann", scope)) for name in TOOLS)
            for name, heard in zip(TOOLS, await asyncio.gather(*asked), strict=True):
                denials = [each for each in heard if each.get("code") == DENIED]
                allowed = is_granted(name, grants, off)
                if allowed == bool(denials) or any(WORDS not in it["text"] for it in denials):
                    wrong.append(f"{name} with {label}: {heard}")
                if denials and any(it.get("type") not in ("error", "control") for it in heard):
                    wrong.append(f"{name} with {label} says more than no: {heard}")

    assert not wrong, "\n".join(wrong)


async def test_every_tool_has_its_line_in_the_table(tmp_path: Path) -> None:
    async with registry(tmp_path) as apis:
        registered = {f"{api}.{verb}" for api, kit in toolkits(apis).items() for verb in kit.tools}

    assert registered == {name.split(" ")[0] for name in TOOLS} - {"agents.invoke"}


async def test_every_right_is_taken_away_somewhere_in_the_table(tmp_path: Path) -> None:
    async with registry(tmp_path) as apis:
        grants = {kit.grant for kit in toolkits(apis).values()}

    known = rights_off()
    for grant in grants:
        for right, field in fields()[grant].model_fields.items():
            is_covered = field.annotation is bool or any(
                right in made for (name, _), made in known.items() if name == grant
            )
            assert is_covered, f"NARROWED has no grant {grant} without {right}"


@pytest.mark.parametrize("name", TOOLS)
def test_the_table_names_rights_that_there_are(name: str) -> None:
    own = {right for grant, right in rights_off() if grant == grant_of(name)}
    others = {f"{grant}.{right}" for grant, right in rights_off()}

    assert TOOLS[name].denied_by <= own | others
