"""Toolkits that participants host: who sees them, who may call them, how a call runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.apis.agents import RESERVED, Agents
from syncroom.auth.scopes import AgentsGrant, ApiScope
from syncroom.errors import Denied, NotFound
from syncroom.limits import Limits
from syncroom.protocol.meshagent import CLOSE, OPEN, Content, error_content, json_content
from tests.apis.fakes import Asked, FakeCaller, ask, call_of

if TYPE_CHECKING:
    from syncroom.apis.agents import CallAgent
    from syncroom.apis.base import Caller


class Scene:
    """A host and two others."""

    def __init__(self, **scopes: ApiScope) -> None:
        self.host, self.ann, self.bob = (
            FakeCaller(name, scopes.get(name)) for name in ("host", "ann", "bob")
        )
        self.dialled: list[tuple[str, str]] = []
        self.agents = Agents(self._dial, Limits(member_toolkits_bytes_max=10_000))

    async def _dial(self, caller: Caller, request: CallAgent) -> None:
        self.dialled.append((caller.id, request.url))

    def register(self, host: FakeCaller, name: str = "tk", *, public: bool = True) -> str:
        request = {"name": name, "public": public, "tools": {"echo": _TOOL}}
        answer = ask(self.agents, "register_toolkit", host, request).answer
        identity: str = answer["json"]["id"]
        return identity

    async def listed(self, caller: FakeCaller, **request: object) -> dict[str, Any]:
        asked = ask(self.agents, "list_toolkits", caller, request)
        await asked.over.wait()
        tools: dict[str, Any] = asked.answer["json"]["tools"]
        return tools

    def invoke(
        self, caller: FakeCaller, content: Content, name: str = "tk", host: str | None = None
    ) -> Asked:
        asked = call_of(caller)
        self.agents.invoke(
            asked.call, name, "echo", content, participant_id=host, on_behalf_of_id=None
        )
        return asked


_SPEC = {"types": ["json"], "stream": False, "schema": {"type": "object"}}
_TOOL = {"title": "Echo", "description": "says it again", "input_spec": _SPEC}


def _agents(**rights: Any) -> ApiScope:
    return ApiScope(agents=AgentsGrant(**rights))


async def test_everybody_sees_a_public_toolkit_as_it_was_registered() -> None:
    scene = Scene()
    scene.register(scene.host)

    [(name, described)] = (await scene.listed(scene.ann)).items()

    assert name == "tk"
    assert described["participant_id"] == scene.host.id
    assert described["tools"]["echo"]["input_spec"] == _SPEC


async def test_a_private_toolkit_is_seen_by_its_host_and_by_who_asks_for_that_participant() -> None:
    scene = Scene()
    scene.register(scene.host, public=False)

    assert list(await scene.listed(scene.host)) == ["tk"]
    assert list(await scene.listed(scene.ann)) == []
    assert list(await scene.listed(scene.ann, participant_id=scene.host.id)) == ["tk"]
    assert list(await scene.listed(scene.ann, participant_name="host")) == ["tk"]
    assert list(await scene.listed(scene.ann, participant_name="bob")) == []


async def test_a_list_waits_for_the_toolkit_of_a_participant() -> None:
    scene = Scene()
    asked = ask(
        scene.agents, "list_toolkits", scene.ann, {"participant_name": "host", "timeout": 30}
    )
    await asyncio.sleep(0)
    assert asked.answers == []

    scene.register(scene.host)
    await asked.over.wait()

    assert list(asked.answer["json"]["tools"]) == ["tk"]


async def test_only_the_toolkits_that_a_token_names_are_listed_and_called() -> None:
    scene = Scene(ann=_agents(allowed_toolkits=["other"]))
    scene.register(scene.host)
    scene.register(scene.host, "other")

    assert list(await scene.listed(scene.ann)) == ["other"]
    with pytest.raises(Denied):
        scene.invoke(scene.ann, json_content({}))


def test_a_call_reaches_the_host_and_its_answer_the_caller() -> None:
    scene = Scene()
    scene.register(scene.host)

    asked = scene.invoke(scene.ann, Content({"type": "file", "name": "a", "mime_type": "b"}, b"c"))
    [sent] = scene.host.sent
    scene.host.hosted[1].answer(json_content({"done": True}))

    assert sent.kind == "room.tool_call.tk"
    assert sent.payload == b"c"
    assert sent.header["name"] == "echo"
    assert sent.header["caller_id"] == scene.ann.id
    assert sent.header["arguments"] == {"type": "file", "name": "a", "mime_type": "b"}
    assert asked.answer == {"type": "json", "json": {"done": True}}
    assert asked.ends == 1
    assert scene.host.hosted == {}


def test_a_stream_runs_in_both_directions_to_its_end() -> None:
    scene = Scene()
    scene.register(scene.host)
    asked = scene.invoke(scene.ann, OPEN)
    hosted = scene.host.hosted[1]
    hosted_id = scene.host.sent[0].header["tool_call_id"]

    asked.call.take(Content({"type": "binary", "headers": {"h": 1}}, b"zz"))
    hosted.answer(OPEN)
    hosted.emit(json_content({"i": 1}))
    asked.call.take(CLOSE)
    hosted.emit(CLOSE)

    chunks = scene.host.sent[1:]
    assert [each.kind for each in chunks] == ["room.tool_call_request_chunk.tk"] * 2
    assert [each.header["tool_call_id"] for each in chunks] == [hosted_id] * 2
    assert [each.header["chunk"]["type"] for each in chunks] == ["binary", "control"]
    assert chunks[0].payload == b"zz"
    assert asked.answer == OPEN.header
    got = [each.header["chunk"] for each in scene.ann.sent]
    assert got == [{"type": "json", "json": {"i": 1}}, CLOSE.header]
    assert asked.ends == 1


def test_a_participant_may_call_what_it_hosts() -> None:
    scene = Scene()
    scene.register(scene.host, public=False)

    asked = scene.invoke(scene.host, json_content({}))
    scene.host.hosted[1].answer(json_content({}))

    assert asked.answer["type"] == "json"


def test_the_newest_toolkit_of_a_name_answers_and_the_host_that_is_named() -> None:
    scene = Scene()
    scene.register(scene.host)
    scene.register(scene.bob)

    scene.invoke(scene.ann, json_content({}))
    scene.invoke(scene.ann, json_content({}), host=scene.host.id)

    assert len(scene.bob.sent) == len(scene.host.sent) == 1


def test_a_private_toolkit_is_called_by_who_names_its_host_alone() -> None:
    scene = Scene()
    scene.register(scene.host, public=False)

    with pytest.raises(NotFound):
        scene.invoke(scene.ann, json_content({}))
    scene.invoke(scene.ann, json_content({}), host=scene.host.id)

    assert len(scene.host.sent) == 1


@pytest.mark.parametrize("name", ["missing", "tk"])
def test_what_nobody_hosts_is_not_found(name: str) -> None:
    scene = Scene()
    scene.register(scene.host, "another")

    with pytest.raises(NotFound):
        scene.invoke(scene.ann, json_content({}), name)


def test_who_leaves_takes_its_toolkits_along_and_its_callers_are_told() -> None:
    scene = Scene()
    scene.register(scene.host)
    asked = scene.invoke(scene.ann, json_content({}))

    scene.host.hosted[1].lose_host()
    scene.agents.leave(scene.host)

    assert asked.answer["type"] == "error"
    with pytest.raises(NotFound):
        scene.invoke(scene.ann, json_content({}))


def test_a_stream_whose_host_leaves_ends_with_an_error() -> None:
    scene = Scene()
    scene.register(scene.host)
    scene.invoke(scene.ann, OPEN)
    hosted = scene.host.hosted[1]
    hosted.answer(OPEN)

    hosted.lose_host()

    kinds = [each.header["chunk"]["type"] for each in scene.ann.sent]
    assert kinds == ["error", "control"]


def test_a_host_is_told_that_its_caller_left() -> None:
    scene = Scene()
    scene.register(scene.host)
    asked = scene.invoke(scene.ann, OPEN)

    asked.call.abandon()

    assert scene.host.sent[-1].header["chunk"] == CLOSE.header
    assert scene.host.hosted == {}


def test_an_error_of_the_host_is_the_callers() -> None:
    scene = Scene()
    scene.register(scene.host)
    asked = scene.invoke(scene.ann, json_content({}))

    scene.host.hosted[1].answer(error_content("no such thing", 1002))

    assert asked.answer == {"type": "error", "text": "no such thing", "code": 1002}


def test_a_toolkit_is_taken_back_by_its_host_alone() -> None:
    scene = Scene()
    identity = scene.register(scene.host)

    other = ask(scene.agents, "unregister_toolkit", scene.ann, {"id": identity})
    own = ask(scene.agents, "unregister_toolkit", scene.host, {"id": identity})
    again = ask(scene.agents, "unregister_toolkit", scene.host, {"id": identity})

    assert [each.answer["type"] for each in (other, own, again)] == ["error", "empty", "error"]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_the_rooms_own_toolkits_cannot_be_registered(name: str) -> None:
    scene = Scene()

    answer = ask(scene.agents, "register_toolkit", scene.host, {"name": name, "tools": {}}).answer

    assert answer["code"] == 1004


@pytest.mark.parametrize(
    "toolkit",
    [
        {"tools": {}},
        {"name": "", "tools": {}},
        {"name": "tk", "tools": {"echo": {"input_spec": {"types": ["unheard"]}}}},
        {"name": "tk", "tools": {"echo": {"input_spec": {"types": []}}}},
        {"name": "tk", "tools": {"echo": 5}},
        {"name": "tk", "tools": [], "annotations": {"a": 1}},
    ],
)
async def test_a_toolkit_that_would_break_a_list_is_refused(toolkit: dict[str, Any]) -> None:
    scene = Scene()

    assert ask(scene.agents, "register_toolkit", scene.host, toolkit).answer["code"] == 1002
    assert await scene.listed(scene.host) == {}


@pytest.mark.parametrize(
    ("rights", "name", "request_json"),
    [
        ({"register_public_toolkit": False}, "register_toolkit", {"name": "a", "public": True}),
        ({"register_private_toolkit": False}, "register_toolkit", {"name": "a"}),
        ({"use_tools": False}, "list_toolkits", {}),
        ({"call": False}, "call", {"name": "a", "url": "http://localhost"}),
    ],
)
async def test_what_is_not_granted_is_refused(
    rights: dict[str, bool], name: str, request_json: dict[str, Any]
) -> None:
    scene = Scene(ann=_agents(**rights))

    answer = ask(scene.agents, name, scene.ann, request_json).answer

    assert answer["code"] == 1001
    assert scene.dialled == []


def test_who_may_not_call_calls_no_toolkit() -> None:
    scene = Scene(ann=_agents(call=False), bob=ApiScope())
    scene.register(scene.host)

    for caller in (scene.ann, scene.bob):
        with pytest.raises(Denied):
            scene.invoke(caller, json_content({}))


async def test_an_agent_elsewhere_is_called() -> None:
    scene = Scene()

    asked = ask(scene.agents, "call", scene.ann, {"name": "helper", "url": "http://localhost/x"})
    await asked.over.wait()

    assert asked.answer == {"type": "empty"}
    assert scene.dialled == [(scene.ann.id, "http://localhost/x")]
