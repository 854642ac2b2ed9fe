"""Upkeep over HTTP: as far as the token grants it, told line by line."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.errors import Unavailable
from syncroom.server.http.maintenance import as_lines
from syncroom.store.base import Record
from tests.protocol import craft
from tests.server.local import Local, http_client, local
from tests.support import wire
from tests.support.poison import poison
from tests.support.raw import joined

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import httpx

HELLO = craft.update(craft.section(1, 0, craft.string("hello")))
FSCK, COMPACT = "/api/rooms/demo/fsck", "/api/rooms/demo/compact"


@pytest.fixture
async def server() -> AsyncIterator[Local]:
    async with local(view_cpu_s=0.2) as running:
        for path, data in (("bad", poison()), ("notes", HELLO)):
            await running.store.create("demo", path, path[0] * 32, Record(1000, "", (), (data,)))
        yield running


def token(server: Local, *sync: str, admin: dict[str, bool] | None = None) -> str:
    lines = [{"path": path.removesuffix(":ro"), "read_only": path.endswith(":ro")} for path in sync]
    grants = {"admin": {} if admin is None else admin, "sync": {"paths": lines} if sync else {}}
    return server.token(api=grants)


async def ask(server: Local, method: str, url: str, jwt: str, **query: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {jwt}"}
    async with http_client(server) as client:
        return await client.request(method, url, headers=headers, params=query)


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines() if line]


async def test_documents_are_checked_one_by_one_and_counted_at_the_end(server: Local) -> None:
    beside, bad, notes, end = lines(await ask(server, "GET", FSCK, token(server)))

    assert (beside, notes) == ({"path": "", "findings": []}, {"path": "notes", "findings": []})
    (finding,) = bad["findings"]
    assert (finding["kind"], finding["path"], finding["seq"]) == ("native", "bad", 1)
    assert end == {"documents": 2, "findings": 1}


async def test_only_what_may_be_read_is_checked(server: Local) -> None:
    told = lines(await ask(server, "GET", FSCK, token(server, "notes:ro")))

    assert [each.get("path") for each in told] == ["", "notes", None]
    assert told[-1] == {"documents": 1, "findings": 0}


async def test_an_open_document_is_compacted_and_its_editors_go_on(server: Local) -> None:
    async with joined(f"ws://127.0.0.1:{server.port}{server.path()}") as editor:
        done = lines(await ask(server, "POST", COMPACT, token(server), path="/notes"))
        after = craft.update(craft.section(1, 5, craft.behind(4, b"\1!", (1, 4))))
        await editor.send(wire.update(after))
        await editor.first("update")

    assert done == [
        {"path": "notes", "bytes_before": len(HELLO), "bytes": len(HELLO), "refusal": None},
        {"documents": 1},
    ]
    stored = await server.store.load("demo", "notes")
    assert stored is not None
    assert (stored.base_seq, len(stored.records)) == (1, 1)


async def test_only_what_may_be_written_is_compacted(server: Local) -> None:
    jwt = token(server, "notes", "bad:ro")

    told = lines(await ask(server, "POST", COMPACT, jwt))
    refused = await ask(server, "POST", COMPACT, jwt, path="bad")
    missing = await ask(server, "POST", COMPACT, token(server), path="none")

    assert [each.get("path") for each in told] == ["notes", None]
    assert (refused.status_code, missing.status_code) == (403, 404)


@pytest.mark.parametrize(("method", "url"), [("GET", FSCK), ("POST", COMPACT)])
async def test_without_the_admin_grant_nothing_is_done(
    server: Local, method: str, url: str
) -> None:
    for jwt in (server.token(), token(server, admin={"config": False})):
        answer = await ask(server, method, url, jwt)

        assert answer.status_code == 403
        assert "admin grant" in answer.json()["error"]["message"]


async def test_silence_is_broken_and_a_failure_on_the_way_is_told() -> None:
    is_broken = asyncio.Event()

    async def results() -> AsyncGenerator[dict[str, Any], None]:
        await is_broken.wait()
        yield {"path": "notes"}
        raise Unavailable("the disk fails")

    told = []
    async for line in as_lines(results(), 0.001):
        told.append(line)
        is_broken.set()

    assert told[0] == b"\n"
    first, failure = (json.loads(line) for line in told if line.strip())
    assert first == {"path": "notes"}
    assert failure == {"error": {"code": "unavailable", "message": "the disk fails"}}
