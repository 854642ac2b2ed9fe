"""The settings of a running server: who may read them, and change what."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from syncroom import __version__
from syncroom.auth.keys import ApiKey, encode_api_key, mint_api_key
from syncroom.backends import Backends
from tests.server.local import Local, http_client, local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx

KEY = mint_api_key(bytes(range(64)))
SECRET = "nobody may see this"
BACKENDS = Backends(
    openai_url="https://name:password@models.example.org/v1",
    openai_key=SecretStr(SECRET),
    tunnels={"web": (8080,)},
)


@pytest.fixture(autouse=True)
def _same_level() -> Iterator[None]:
    log = logging.getLogger("syncroom")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture
async def server() -> AsyncIterator[Local]:
    async with local(backends=BACKENDS, refusal_s=3.5) as running:
        running.keyring.replace([ApiKey(KEY.id, KEY.project_id, KEY.secret, "laptop")])
        yield running


async def ask(server: Local, method: str, bearer: str | None, **options: Any) -> httpx.Response:
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    async with http_client(server) as client:
        return await client.request(method, "/api/admin/config", headers=headers, **options)


async def test_a_key_reads_everything_but_secrets(server: Local) -> None:
    answer = await ask(server, "GET", encode_api_key(KEY))

    told = answer.json()
    assert told["version"] == __version__
    assert told["limits"]["refusal_s"] == 3.5
    assert told["backends"]["openai_url"] == "https://models.example.org/v1"
    assert told["backends"]["tunnels"] == {"web": [8080]}
    assert told["backends"]["anthropic_key"] is None
    assert told["backends"]["openai_key"]
    assert SECRET not in answer.text
    assert "password" not in answer.text


async def test_a_token_reads_limits_by_grant(server: Local) -> None:
    admin = await ask(server, "GET", server.token(api={"admin": {}}))
    other = await ask(server, "GET", server.token())
    nobody = await ask(server, "GET", None)

    assert set(admin.json()) == {"version", "limits"}
    assert (other.status_code, nobody.status_code) == (403, 401)


async def test_a_key_alone_changes_the_level_of_the_log(server: Local) -> None:
    change = {"log_level": "error"}

    refused = await ask(server, "PATCH", server.token(api={"admin": {}}), json=change)
    wrong = await ask(server, "PATCH", encode_api_key(KEY), json={"log_level": "loud"})
    before = logging.getLogger("syncroom.server").getEffectiveLevel()
    changed = await ask(server, "PATCH", encode_api_key(KEY), json=change)

    assert (refused.status_code, wrong.status_code) == (403, 400)
    assert before != logging.ERROR
    assert changed.json()["log_level"] == "error"
    assert logging.getLogger("syncroom.server").getEffectiveLevel() == logging.ERROR
