"""Language models through the server: passed on to a real provider, and back as it comes."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from syncroom.backends import Backends
from tests.server.local import WAIT_S_MAX, Local, local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

KEY = "the key of the provider"
CHAT = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}
USAGE = {"prompt_tokens": 7, "completion_tokens": 11}


class Provider:
    """A provider of models, on a port of its own."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.go_on = asyncio.Event()
        self.has_lost_its_client = asyncio.Event()
        path, methods = "/v1/{path:path}", ["GET", "POST"]
        app = Starlette(routes=[Route(path, self._answer, methods=methods)])
        self.listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none")
        self.server = uvicorn.Server(config)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        self.asked.append((str(request.url), dict(request.headers), body))
        if body and json.loads(body).get("stream"):
            return StreamingResponse(self._stream(), media_type="text/event-stream")
        if body and json.loads(body)["model"] == "busy":
            told = {"error": {"message": "slow down"}}
            return JSONResponse(told, 429, {"Retry-After": "5", "Set-Cookie": "a=b"})
        return JSONResponse({"id": 1, "usage": USAGE})

    async def _stream(self) -> AsyncIterator[bytes]:
        try:
            yield b'data: {"said":"first","text":"\\"prompt_tokens\\": 999"}\n\n'
            await self.go_on.wait()
            yield b'data: {"said":"second","usage":{"prompt_to'
            yield b'kens":3,"completion_tokens":4}}\n\ndata: [DONE]\n\n'
        except asyncio.CancelledError:
            self.has_lost_its_client.set()
            raise


@asynccontextmanager
async def served(**limits: Any) -> AsyncIterator[tuple[Local, Provider, httpx.AsyncClient]]:
    provider = Provider()
    running = asyncio.create_task(provider.server._serve([provider.listener]))
    backends = Backends(
        openai_url=provider.url,
        openai_key=SecretStr(KEY),
        anthropic_url=provider.url,
        anthropic_key=SecretStr(KEY),
    )
    try:
        async with (
            local(backends=backends, **limits) as server,
            httpx.AsyncClient(base_url=server.url, timeout=WAIT_S_MAX) as client,
        ):
            yield server, provider, client
    finally:
        provider.server.should_exit = True
        await running
        provider.listener.close()


def bearer(server: Local, *models: str, **claims: Any) -> dict[str, str]:
    llm = {"models": list(models)} if models else {}
    return {"Authorization": f"Bearer {server.token(api={'llm': llm}, **claims)}"}


async def test_a_question_is_passed_on_with_the_servers_key_and_answered_as_it_was() -> None:
    async with served() as (server, provider, client):
        headers = bearer(server) | {"X-Meshagent-Annotation-A": "b"}

        answer = await client.post("/openai/v1/chat/completions", json=CHAT, headers=headers)

        [(url, sent, body)] = provider.asked
    assert answer.json() == {"id": 1, "usage": USAGE}
    assert url == f"{provider.url}/chat/completions"
    assert json.loads(body) == CHAT
    assert sent["authorization"] == f"Bearer {KEY}"
    assert "x-meshagent-annotation-a" not in sent


async def test_the_anthropic_sdk_is_understood_too() -> None:
    async with served() as (server, provider, client):
        token = server.token(api={"llm": {}})
        headers = {"x-api-key": token, "anthropic-version": "2023-01-01"}

        answer = await client.post("/anthropic/v1/messages?beta=true", json=CHAT, headers=headers)

        [(url, sent, _)] = provider.asked
    assert answer.status_code == 200
    assert url == f"{provider.url}/messages?beta=true"
    assert (sent["x-api-key"], sent["anthropic-version"]) == (KEY, "2023-01-01")
    assert "authorization" not in sent


async def test_events_come_one_by_one_and_what_they_took_is_counted() -> None:
    async with served() as (server, provider, client):
        request: dict[str, Any] = {"headers": bearer(server), "json": CHAT | {"stream": True}}

        async with client.stream("POST", "/openai/v1/chat/completions", **request) as answer:
            parts = answer.aiter_text()
            first = await anext(parts)
            provider.go_on.set()
            rest = "".join([part async for part in parts])
        told = (await client.get("/metrics")).text

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "first" in first and "second" not in first
    assert rest.endswith("data: [DONE]\n\n")
    assert 'syncroom_llm_requests_total{provider="openai",status="2xx"} 1.0' in told
    assert 'syncroom_llm_tokens_total{kind="input",provider="openai"} 3.0' in told
    assert 'syncroom_llm_tokens_total{kind="output",provider="openai"} 4.0' in told


async def test_a_client_that_goes_ends_the_question_to_the_provider() -> None:
    async with served() as (server, provider, client):
        request: dict[str, Any] = {"headers": bearer(server), "json": CHAT | {"stream": True}}
        async with client.stream("POST", "/openai/v1/responses", **request) as answer:
            await anext(answer.aiter_raw())

        async with asyncio.timeout(WAIT_S_MAX):
            await provider.has_lost_its_client.wait()


async def test_an_error_of_the_provider_is_passed_on_without_what_else_it_says() -> None:
    async with served() as (server, _, client):
        request: dict[str, Any] = {"headers": bearer(server), "json": CHAT | {"model": "busy"}}

        answer = await client.post("/openai/v1/chat/completions", **request)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert answer.json() == {"error": {"message": "slow down"}}
    assert "set-cookie" not in answer.headers


async def test_models_are_asked_for_by_grant() -> None:
    async with served() as (server, provider, client):
        allowed = bearer(server, "openai/sm*", "anthropic/big")
        ask = client.post

        answers = [
            await ask("/openai/v1/chat/completions", headers=allowed, json=CHAT),
            await ask("/openai/v1/chat/completions", headers=allowed, json=CHAT | {"model": "big"}),
            await ask("/anthropic/v1/messages", headers=allowed, json=CHAT | {"model": "big"}),
            await client.get("/openai/v1/models", headers=allowed),
            await client.get("/anthropic/v1/models", headers=bearer(server, "openai/sm*")),
        ]

    assert [each.status_code for each in answers] == [200, 403, 200, 200, 403]
    assert len(provider.asked) == 3


async def test_who_has_no_right_is_told_in_the_words_of_the_provider() -> None:
    async with served() as (server, provider, client):
        others = {"Authorization": f"Bearer {server.token()}"}

        nobody = await client.post("/openai/v1/chat/completions", json=CHAT)
        ungranted = await client.post("/anthropic/v1/messages", json=CHAT, headers=others)
        roomless = await client.get("/openai/v1/models", headers=bearer(server, room=None))

    assert nobody.status_code == 401
    assert nobody.json()["error"]["type"] == "authentication_error"
    assert ungranted.status_code == roomless.status_code == 403
    assert ungranted.json()["type"] == "error"
    assert ungranted.json()["error"]["type"] == "permission_error"
    assert provider.asked == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no json", 400),
        (b"[" * 100_000, 400),
        (b"[]", 400),
        (b'{"model":5}', 400),
        (b'{"model":"small","Model":"big"}', 400),
        (b'{"model":"big","model":"small"}', 400),
        (b'{"model":"small","text":"' + b"x" * 200_000 + b'"}', 413),
    ],
)
async def test_a_body_that_is_too_much_or_names_no_model_is_refused(
    body: bytes, status: int
) -> None:
    async with served(llm_body_bytes_max=150_000) as (server, provider, client):
        answer = await client.post(
            "/openai/v1/chat/completions", content=body, headers=bearer(server)
        )

    assert answer.status_code == status
    assert provider.asked == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "files"), ("POST", "files"), ("GET", "responses/1"), ("GET", "models/%2e%2e/files")],
)
async def test_what_belongs_to_the_key_is_not_passed_on(method: str, path: str) -> None:
    async with served() as (server, provider, client):
        headers = bearer(server)

        answer = await client.request(method, f"/openai/v1/{path}", headers=headers)

    assert answer.status_code == 404
    assert provider.asked == []


async def test_only_so_many_are_asked_at_one_time() -> None:
    async with served(llm_requests_max=1) as (server, _, client):
        request: dict[str, Any] = {"headers": bearer(server), "json": CHAT | {"stream": True}}
        async with client.stream("POST", "/openai/v1/responses", **request):
            more = await client.get("/openai/v1/models", headers=bearer(server))

    assert more.status_code == 429
    assert more.json()["error"]["type"] == "rate_limit_error"


async def test_a_provider_that_is_away_or_not_configured_is_said_to_be() -> None:
    away = Backends(openai_url="http://127.0.0.1:9/v1")
    async with (
        local(backends=away) as server,
        httpx.AsyncClient(base_url=server.url, timeout=WAIT_S_MAX) as client,
    ):
        unreached = await client.get("/openai/v1/models", headers=bearer(server))
        none = await client.post("/anthropic/v1/messages", json=CHAT, headers=bearer(server))

    assert unreached.status_code == none.status_code == 503
    assert "SYNCROOM_BACKENDS__ANTHROPIC_URL" in none.json()["error"]["message"]
