"""Calls of agents elsewhere, to a real HTTP server: what is sent, signed, granted and answered."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
import pytest_asyncio
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from syncroom.agent_tokens import agent_token
from syncroom.apis.agents import CallAgent
from syncroom.auth.keys import KEY_ENTROPY_BYTES, Keyring, mint_api_key
from syncroom.auth.participant import Participant, admit
from syncroom.auth.scopes import AgentsGrant, ApiScope, MessagingGrant, QueuesGrant
from syncroom.auth.token import ParticipantToken
from syncroom.errors import Malformed, Unauthenticated, Unavailable
from syncroom.webhooks import Webhooks
from tests.apis.fakes import FakeCaller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

SECRET = "the secret that tokens are signed with"
HOOK_SECRET = "the secret that calls are signed with"


@dataclass
class Agent:
    """An agent elsewhere that keeps what it is sent."""

    url: str = ""
    status: int = 200
    is_endless: bool = False
    """Whether its answers have no end."""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        self.headers.append(dict(request.headers))
        if self.is_endless:
            return StreamingResponse(_endless(), self.status)
        return Response(status_code=self.status)

    @property
    def data(self) -> dict[str, Any]:
        [body] = self.bodies
        event = json.loads(body)
        assert event["event"] == "room.call"
        data: dict[str, Any] = event["data"]
        return data

    @property
    def token(self) -> ParticipantToken:
        keyring = Keyring(SECRET)
        return ParticipantToken.from_jwt(self.data["token"], keyring=keyring, now=time.time())


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(1 << 16)
        await asyncio.sleep(0)  # its server learns that nobody listens any more


@pytest_asyncio.fixture
async def agent() -> AsyncIterator[Agent]:
    agent = Agent()
    app = Starlette(routes=[Route("/call", agent.answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    agent.url = f"http://127.0.0.1:{port}/call"
    yield agent
    await server.shutdown()


async def _call(
    url: str, *, secret: str | None = None, caller: FakeCaller | None = None, **request: Any
) -> None:
    asked = CallAgent(**{"name": "helper", "url": url, **request})
    await Webhooks(Keyring(SECRET), None if secret is None else SecretStr(secret)).call(
        "demo", caller or FakeCaller("ann"), asked
    )


async def test_an_agent_gets_a_token_for_the_room_and_what_it_is_to_do(agent: Agent) -> None:
    await _call(agent.url, arguments={"task": "naïve"})

    assert agent.data["room_name"] == "demo"
    assert agent.data["room_url"] == "ws://localhost/rooms/demo"
    assert agent.data["arguments"] == {"task": "naïve"}
    assert agent.token.name == "helper"
    assert agent.token.role == "agent"
    assert agent.token.rooms == ["demo"]
    assert agent.token.get_api_grant() == ApiScope.agent_default().model_copy(
        update={"secrets": None}
    )
    assert agent.headers[0]["content-type"] == "application/json"
    assert "meshagent-signature" not in agent.headers[0]


async def test_a_call_is_signed_over_its_body_as_receivers_spell_it(agent: Agent) -> None:
    await _call(agent.url, secret=HOOK_SECRET, arguments={"task": "naïve"})

    scheme, _, signature = agent.headers[0]["meshagent-signature"].partition(" ")
    claims = jwt.decode(signature, HOOK_SECRET, algorithms=["HS256"])
    spelled = json.dumps(json.loads(agent.bodies[0])).encode()
    assert scheme == "Bearer"
    assert claims["sha256"] == hashlib.sha256(spelled).hexdigest()


async def test_an_agent_is_granted_no_more_than_its_caller_has(agent: Agent) -> None:
    held = ApiScope(
        agents=AgentsGrant(), messaging=MessagingGrant(), queues=QueuesGrant(send=["jobs"])
    )
    wanted = {"queues": {}, "messaging": {"broadcast": False}, "storage": {}}

    await _call(agent.url, caller=FakeCaller("ann", held), api=wanted)

    granted = ApiScope(messaging=MessagingGrant(broadcast=False), queues=QueuesGrant(send=["jobs"]))
    assert agent.token.get_api_grant() == granted


@pytest.mark.parametrize(("name", "has_secrets"), [("ann", True), ("bob", False)])
async def test_no_agent_gets_at_secrets_by_a_name_that_is_not_its_callers(
    agent: Agent, name: str, has_secrets: bool
) -> None:
    await _call(agent.url, caller=FakeCaller("ann"), name=name)

    granted = agent.token.get_api_grant()
    assert granted is not None
    assert (granted.secrets is not None) == has_secrets


async def test_the_token_of_an_agent_ends_with_the_key_of_its_caller() -> None:
    key = mint_api_key(bytes(KEY_ENTROPY_BYTES))
    keyring = Keyring(SECRET, [key])
    caller = FakeCaller("ann")
    caller.participant = replace(caller.participant, key_id=key.id)
    token = agent_token(keyring, "demo", caller, "helper")
    assert admit(token, "demo", keyring, time.time()).key_id == key.id

    keyring.replace([])

    with pytest.raises(Unauthenticated, match="a secret that is not in use"):
        admit(token, "demo", keyring, time.time())


async def test_the_token_of_an_agent_ends_with_that_of_its_caller(agent: Agent) -> None:
    caller = FakeCaller("ann")
    ends = time.time() + 90
    caller.participant = Participant("id", "ann", "user", ApiScope.full(), ends + 30)

    await _call(agent.url, caller=caller)

    assert agent.token.expires_at == pytest.approx(ends)


@pytest.mark.parametrize("status", [302, 403, 500])
async def test_an_agent_that_does_not_agree_is_told_of(agent: Agent, status: int) -> None:
    agent.status = status

    with pytest.raises(Unavailable, match=f"127.0.0.1 answered {status}"):
        await _call(agent.url)


async def test_nobody_waits_for_what_else_an_agent_says(agent: Agent) -> None:
    agent.is_endless = True

    await _call(agent.url)

    assert len(agent.bodies) == 1


async def test_an_agent_that_is_not_there_is_told_of() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 can't be reached"):
        await _call("http://127.0.0.1:1/call")


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://localhost/x", "nothing", "http://", "http://a:b"],
)
async def test_a_url_that_is_not_http_is_refused(url: str) -> None:
    with pytest.raises(Malformed, match="no HTTP URL"):
        await _call(url)


async def test_a_scope_that_is_none_is_refused(agent: Agent) -> None:
    with pytest.raises(Malformed, match="api scope"):
        await _call(agent.url, api={"queues": "all"})

    assert agent.bodies == []
