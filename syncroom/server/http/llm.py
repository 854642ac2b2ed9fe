"""
Language models for participants, through the keys of the server: what the SDKs of OpenAI and
Anthropic ask for is passed on, and what is answered passed back as it comes.

The token stands where those SDKs put their key. Its `llm` grant says which models may be asked for.
Only endpoints that name a model are open: whatever else a key gives access to, files or stored
answers, belongs to everybody who shares it. The key itself never leaves the server.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

import httpx
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncroom.auth.participant import participant_of
from syncroom.auth.token import ParticipantToken
from syncroom.errors import (
    Denied,
    Disabled,
    Malformed,
    NotFound,
    SyncroomError,
    Unauthenticated,
    Unavailable,
)
from syncroom.server.credentials import token_of
from syncroom.server.http.api import status_of
from syncroom.server.http.body import read_body

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from syncroom.auth.keys import Keyring
    from syncroom.auth.scopes import LLMGrant
    from syncroom.backends import Backends
    from syncroom.metrics import Metrics
    from syncroom.rooms import Rooms

_log = logging.getLogger("syncroom.server.llm")

_POSTS = {
    "openai": frozenset(
        {"chat/completions", "completions", "responses", "responses/compact", "moderations"}
        | {"responses/input_tokens", "embeddings", "images/generations", "audio/speech"}
    ),
    "anthropic": frozenset({"messages", "messages/count_tokens", "complete"}),
}
"""Endpoints whose body is JSON and names a model, by provider."""

_MODELS = re.compile(r"models(?:/\w[\w.:@-]*)*").fullmatch
"""What may be looked at."""

_CONNECT_S_MAX = 10.0
_QUERY = ("beta", "limit", "after_id", "before_id")
_ASKED = ("content-type", "accept", "user-agent", "openai-beta", "anthropic-beta")
_ANSWERED = ("content-type", "content-encoding", "retry-after", "request-id", "x-request-id")
"""Headers that are passed on, there and back: none of them says whose key it is."""

_TOKENS = {
    "input": re.compile(rb'"(?:input|prompt)_tokens"\s*:\s*(\d{1,12})'),
    "output": re.compile(rb'"(?:output|completion)_tokens"\s*:\s*(\d{1,12})'),
}
"""What providers say that an answer took; text of the answer has its quotes escaped."""

_OVERLAP = 64
"""Bytes of a part that are looked at again with the next one."""

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


class TooMany(Unavailable):
    """More is asked at one time than may be."""


class LlmProxy:
    """The endpoints of language models.

    Args:
        rooms: those that tokens are for.
        keyring: holds what tokens are signed with.
        backends: where the providers are.
    """

    def __init__(self, rooms: Rooms, keyring: Keyring, backends: Backends) -> None:
        self._rooms = rooms
        self._limits = rooms.limits
        self._keyring = keyring
        self._urls = {"openai": backends.openai_url, "anthropic": backends.anthropic_url}
        keys = {"openai": backends.openai_key, "anthropic": backends.anthropic_key}
        self._keys = {name: key.get_secret_value() for name, key in keys.items() if key}
        self._client: httpx.AsyncClient | None = None
        self._count = 0
        """Requests that are under way."""
        self.routes = [
            Route(f"/{name}/v1/{{path:path}}", _endpoint(self, name), methods=["GET", "POST"])
            for name in _POSTS
        ]

    async def close(self) -> None:
        """Let go of all connections."""
        if self._client is not None:
            await self._client.aclose()

    async def answer(self, provider: str, request: Request) -> Response:
        """Answer one request."""
        try:
            return Relay(self, provider, await self._question(provider, request))
        except SyncroomError as error:
            return error_response(provider, error)

    async def send(self, question: httpx.Request) -> httpx.Response:
        """Ask a provider; raises `Unavailable`."""
        if self._count >= self._limits.llm_requests_max:
            raise TooMany(f"{self._count} requests are under way, as many as may be; try again")
        self._count += 1
        try:
            return await self._http().send(question, stream=True)
        except httpx.HTTPError as error:
            self.release()
            reason = str(error) or type(error).__name__
            raise Unavailable(f"the provider can't be reached: {reason}") from None
        except asyncio.CancelledError:
            self.release()
            raise

    def release(self) -> None:
        """One request is over."""
        self._count -= 1

    @property
    def metrics(self) -> Metrics:
        """Where it is counted."""
        return self._rooms.metrics

    async def _question(self, provider: str, request: Request) -> httpx.Request:
        """What the provider is to be asked; raises why it is not."""
        grant = self._grant(provider, request)
        path = request.path_params["path"]
        body = None
        if request.method == "GET" and _MODELS(path):
            if not grant.can_use_provider(provider):
                raise Denied(f"the token grants no model of {provider}")
        elif request.method == "POST" and path in _POSTS[provider]:
            body = await read_body(request, self._limits.llm_body_bytes_max, self._limits)
            model = _model_of(body)
            if not grant.can_use_model(provider=provider, model=model):
                raise Denied(f"the token does not grant the model {provider}/{model}")
        else:
            raise NotFound(f"{request.method} {path!r} is not passed on to {provider}")
        url = self._urls[provider]
        if url is None:
            raise Unavailable(
                f"no models of {provider} are available on this server: "
                f"set SYNCROOM_BACKENDS__{provider.upper()}_URL"
            )
        query = {
            name: request.query_params[name] for name in _QUERY if name in request.query_params
        }
        headers = self._headers(provider, request)
        return self._http().build_request(
            request.method, f"{url.rstrip('/')}/{path}", params=query, headers=headers, content=body
        )

    def _grant(self, provider: str, request: Request) -> LLMGrant:
        """What the token grants; raises `Unauthenticated`, `Denied`, `Disabled`."""
        headers = request.headers
        jwt = headers.get("x-api-key") or token_of(headers.get("authorization"), "", ())
        if not jwt:
            raise Unauthenticated("a participant token is needed, as the API key")
        token = ParticipantToken.from_jwt(jwt, keyring=self._keyring, now=time.time())
        scope = participant_of(token).scope
        if scope is None or scope.llm is None:
            raise Denied("the token has no llm grant")
        if not token.rooms:
            raise Denied("the token grants no room")
        if all(self._rooms.is_disabled(room) for room in token.rooms):
            raise Disabled("the room of the token is disabled")
        return scope.llm

    def _headers(self, provider: str, request: Request) -> dict[str, str]:
        headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
        headers["accept-encoding"] = "identity"  # what is counted has to be read
        key = self._keys.get(provider)
        if provider == "anthropic":
            version = request.headers.get("anthropic-version", "2023-06-01")
            return {**headers, "anthropic-version": version, **({"x-api-key": key} if key else {})}
        return {**headers, **({"authorization": f"Bearer {key}"} if key else {})}

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            timeout = httpx.Timeout(self._limits.llm_silence_s_max, connect=_CONNECT_S_MAX)
            limits = httpx.Limits(max_connections=None)
            self._client = httpx.AsyncClient(timeout=timeout, limits=limits)
        return self._client


class Relay(Response):
    """What a provider answers, part by part; ends with whoever asked."""

    def __init__(self, proxy: LlmProxy, provider: str, question: httpx.Request) -> None:
        super().__init__()
        self._proxy = proxy
        self._provider = provider
        self._question = question
        self._tail = b""
        self._used = dict.fromkeys(_TOKENS, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        relaying = asyncio.ensure_future(self._relay(scope, receive, send))
        gone = asyncio.ensure_future(_disconnect(receive))
        try:
            await asyncio.wait([relaying, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (relaying, gone):
                each.cancel()
            await asyncio.wait([relaying, gone])
        if not relaying.cancelled():
            relaying.result()

    async def _relay(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._proxy.send(self._question)
        except SyncroomError as error:
            self._count(status_of(error))
            await error_response(self._provider, error)(scope, receive, send)
            return
        try:
            await self._pass_on(answer, send)
        finally:
            self._proxy.release()
            self._count(answer.status_code)
            await answer.aclose()

    async def _pass_on(self, answer: httpx.Response, send: Send) -> None:
        """Send on what comes; a provider that breaks off is seen to."""
        passed = [(it, answer.headers[it]) for it in _ANSWERED if it in answer.headers]
        headers = [(name.encode(), value.encode("latin-1")) for name, value in passed]
        headers += [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        start = {"type": "http.response.start", "status": answer.status_code, "headers": headers}
        await send(start)
        try:
            async for part in answer.aiter_raw():
                self._read_usage(part)
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except httpx.HTTPError as error:
            _log.warning("a provider broke off: %s", error or type(error).__name__)
            return  # without its end, so that nobody takes it for whole
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _read_usage(self, part: bytes) -> None:
        seen = self._tail + part
        self._tail = seen[-_OVERLAP:]
        for kind, pattern in _TOKENS.items():
            counts = [int(each) for each in pattern.findall(seen)]
            self._used[kind] = max(self._used[kind], *counts, 0)

    def _count(self, status: int) -> None:
        metrics, name = self._proxy.metrics, self._provider
        asked = name, f"{status // 100}xx"
        metrics.llm_requests[asked] = metrics.llm_requests.get(asked, 0) + 1
        for kind, count in self._used.items():
            used = name, kind
            metrics.llm_tokens[used] = metrics.llm_tokens.get(used, 0) + count


def error_response(provider: str, error: SyncroomError) -> JSONResponse:
    """An error in the shape that the SDKs of a provider read."""
    status = 429 if isinstance(error, TooMany) else status_of(error)
    told: dict[str, Any] = {"type": _KINDS.get(status, "api_error"), "message": str(error)}
    if provider == "anthropic":
        return JSONResponse({"type": "error", "error": told}, status)
    return JSONResponse({"error": {**told, "param": None, "code": error.code}}, status)


def _endpoint(proxy: LlmProxy, provider: str) -> Any:
    async def endpoint(request: Request) -> Response:
        return await proxy.answer(provider, request)

    return endpoint


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _model_of(body: bytes) -> str:
    """The model that a body names; raises `Malformed`."""
    try:
        fields = json.loads(body, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError):
        raise Malformed("the body is no JSON") from None
    model = fields.get("model") if isinstance(fields, dict) else None
    if not isinstance(model, str):
        raise Malformed("the body names no model")
    return model


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which there is one model at most, however a provider reads names."""
    if sum(name.casefold() == "model" for name, _ in pairs) > 1:
        raise Malformed("the body names two models")
    return dict(pairs)
