"""REST: what a room holds, as far as the asker may know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncroom.store.base import Record
from tests.protocol import craft
from tests.server.local import Local, http_client, local
from tests.support import tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

HELLO = craft.update(craft.section(1, 0, craft.string("hello")))
URL = "/api/rooms/demo/documents"


@pytest.fixture
async def server() -> AsyncIterator[Local]:
    async with local() as running:
        for number, path in enumerate(("notes", "private/plan", "public/news")):
            record = Record(1000 + number, "", (), (HELLO,))
            await running.store.create("demo", path, f"{number:032x}", record)
        yield running


async def _get(server: Local, path: str, **options: Any) -> httpx.Response:
    async with http_client(server) as client:
        return await client.get(path, **options)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_room_lists_its_documents_and_who_asked(server: Local) -> None:
    answer = await _get(server, URL, headers=_bearer(server.token()))

    assert answer.status_code == 200
    listed = answer.json()
    assert listed["room"] == "demo"
    assert (listed["participant"]["name"], listed["participant"]["role"]) == ("ann", "user")
    assert listed["may_list_participants"] is True
    assert [line["path"] for line in listed["documents"]] == [
        "notes",
        "private/plan",
        "public/news",
    ]
    first = listed["documents"][0]
    assert (first["created_ms"], first["changed_ms"], first["bytes"]) == (1000, 1000, len(HELLO))
    assert first["may_write"] is True


async def test_the_token_may_stand_in_the_query(server: Local) -> None:
    assert (await _get(server, URL, params={"token": server.token()})).status_code == 200


async def test_documents_that_the_token_does_not_grant_are_not_named(server: Local) -> None:
    token = server.token(sync=["notes", "public/*:ro"])

    answer = await _get(server, URL, headers=_bearer(token))

    assert [(line["path"], line["may_write"]) for line in answer.json()["documents"]] == [
        ("notes", True),
        ("public/news", False),
    ]
    assert "private" not in answer.text


@pytest.mark.parametrize("api", [None, {"messaging": {}}, {"sync": None}])
async def test_without_a_sync_grant_there_is_nothing_to_see(
    server: Local, api: dict[str, Any] | None
) -> None:
    answer = await _get(server, URL, headers=_bearer(server.token(api=api)))

    assert answer.json()["documents"] == []


async def test_who_may_not_list_people_is_told_so(server: Local) -> None:
    api = tokens.api_scope("user-default", None) | {"messaging": {"list": False}}

    answer = await _get(server, URL, headers=_bearer(server.token(api=api)))

    assert answer.json()["may_list_participants"] is False


@pytest.mark.parametrize(
    ("claims", "status", "code"),
    [
        ({"room": "other"}, 403, "denied"),
        ({"room": None}, 403, "denied"),
        ({"ttl": -100.0}, 401, "unauthenticated"),
        ({"algorithm": "none"}, 401, "unauthenticated"),
    ],
)
async def test_a_token_that_does_not_hold_here_is_refused_in_words(
    server: Local, claims: dict[str, Any], status: int, code: str
) -> None:
    answer = await _get(server, URL, headers=_bearer(server.token(**claims)))

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("options", [{}, {"headers": _bearer("x")}, {"params": {"token": "a.b.c"}}])
async def test_no_token_and_nonsense_are_unauthenticated(
    server: Local, options: dict[str, Any]
) -> None:
    answer = await _get(server, URL, **options)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"


async def test_a_room_that_nobody_ever_used_is_empty_and_not_made(server: Local) -> None:
    answer = await _get(
        server, "/api/rooms/fresh/documents", headers=_bearer(server.token(room="fresh"))
    )

    assert answer.json()["documents"] == []
    assert await server.rooms.documents("fresh") == []


async def test_health_is_good_while_the_process_runs(server: Local) -> None:
    server.store.failure = "the disk is full"

    answer = await _get(server, "/healthz")

    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_readiness_follows_the_disk(server: Local) -> None:
    assert (await _get(server, "/readyz")).status_code == 200

    server.store.failure = "the disk is full"

    answer = await _get(server, "/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the disk is full")


@pytest.mark.parametrize("path", ["/api", "/api/rooms/demo", "/yjs/demo/notes", "/.env"])
async def test_there_is_nothing_elsewhere(server: Local, path: str) -> None:
    assert (await _get(server, path)).status_code == 404
