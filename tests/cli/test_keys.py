"""``syncroom keys``, beside a server that runs: what is made counts, what is revoked ends."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from syncroom.auth.keys import parse_api_key
from syncroom.auth.scopes import ApiScope
from syncroom.auth.token import ParticipantToken
from tests.cli.command import Command
from tests.support.again import hold_to, unless_slow_again
from tests.support.raw import WAIT_S_MAX, RawClient, joined, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Server

PROJECT = "fc1e793c-b556-496b-bf07-8182b844e058"


@pytest.fixture
def keys(tmp_path: Path) -> Command:
    return Command("keys", "--data-dir", str(tmp_path / "data"))


def _token(key: str) -> str:
    token = ParticipantToken(name="Ann")
    token.add_room_grant("demo")
    token.add_api_grant(ApiScope.user_default())
    return token.to_jwt(api_key=key)


async def _accepted(server: Server, key: str) -> None:
    """Wait until a running server accepts a key."""
    async with asyncio.timeout(WAIT_S_MAX), httpx.AsyncClient(trust_env=False) as client:
        while True:
            headers = {"Authorization": f"Bearer {key}"}
            answer = await client.get(f"{server.url}/accounts/projects", headers=headers)
            if answer.is_success:
                return


def test_a_key_is_made_listed_and_revoked(keys: Command) -> None:
    text = keys.out("create", "one").strip()
    made = keys.json("create", "two")

    key = parse_api_key(text)
    other = parse_api_key(made["key"])
    assert made == {
        "name": "two",
        "id": other.id,
        "project_id": key.project_id,
        "key": made["key"],
    }
    listed = [
        {"name": "one", "id": key.id, "project_id": key.project_id},
        {"name": "two", "id": other.id, "project_id": key.project_id},
    ]
    assert keys.json("list") == listed
    assert keys.out("list").splitlines()[1] == f"{other.id}  {key.project_id}  two"
    assert key.secret not in keys.out("list") + keys.out("list", "--output", "json")
    assert keys.out("revoke", "one") == "revoked\n"
    assert keys.json("list") == listed[1:]


def test_the_first_key_may_be_of_a_known_project_and_the_others_are_of_the_same(
    keys: Command,
) -> None:
    assert keys.json("create", "one", "--project", PROJECT)["project_id"] == PROJECT
    assert keys.json("create", "two")["project_id"] == PROJECT
    assert keys.json("create", "three", "--project", PROJECT)["project_id"] == PROJECT
    other = PROJECT.replace("f", "a")
    assert f"project {PROJECT}" in keys.error("create", "four", "--project", other)


def test_what_can_not_be_done_is_said(keys: Command) -> None:
    assert "UUID" in keys.error("create", "one", "--project", "mine")
    keys.out("create", "one")
    assert "'one' already" in keys.error("create", "one")
    assert "no API key named 'two'" in keys.error("revoke", "two")


async def test_a_key_counts_at_once_on_a_server_that_runs_and_ends_within_a_second(
    server: Server,
) -> None:
    keys = Command("keys", "--data-dir", str(server.data_dir))
    kept = keys.out("create", "kept").strip()

    await unless_slow_again(partial(_revoke_one, server, keys, kept))


async def _revoke_one(server: Server, keys: Command, kept: str) -> None:
    revoked = keys.out("create", "revoked").strip()
    await _accepted(server, revoked)
    stays = joined(server.document_url("notes", _token(kept)))
    url = server.document_url("notes", _token(revoked))

    async with stays as stayed, joined(url) as left:
        began = time.monotonic()
        keys.out("revoke", "revoked")
        closed = await _told(left)
        seconds = time.monotonic() - began
        code, reason = await left.closed()

        assert closed
        assert (code, reason) == (4401, "the API key that signed the token was revoked")
        assert (await refusal(url))[1][0] == 4401
        await stayed.round_trip()
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {revoked}"}
        answer = await client.get(f"{server.url}/accounts/projects", headers=headers)
    assert answer.status_code == 401
    hold_to(1, seconds)


async def _told(client: RawClient) -> str:
    return (await client.first("denied")).kind
