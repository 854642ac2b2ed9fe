"""REST: documents are read, changed and deleted, each as far as the token grants it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.protocol.update import TYPE
from syncroom.store.base import Record
from tests.document.schemas import TODO, item, todo
from tests.protocol import craft
from tests.server.local import Local, http_client, local
from tests.support.raw import joined

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

HELLO = craft.update(craft.section(1, 0, craft.string("hello")))
URL = "/api/rooms/demo/documents/notes"


@pytest.fixture
async def server() -> AsyncIterator[Local]:
    async with local(update_bytes_max=200_000) as running:
        record = Record(1000, "", (), (HELLO,))
        await running.store.create("demo", "notes", "0" * 32, record)
        yield running


async def ask(
    server: Local, method: str, url: str = URL, *, sync: list[str] | None = None, **options: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token(sync=sync)}"} | options.pop("headers", {})
    async with http_client(server) as client:
        return await client.request(method, url, headers=headers, **options)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("form", "media_type", "body"),
    [
        ("update", "application/octet-stream", HELLO),
        ("json", "application/json", b'{"text": "hello"}'),
        ("text", "text/plain; charset=utf-8", b"hello"),
        ("markdown", "text/markdown; charset=utf-8", b"hello"),
        ("types", "application/json", b'{"text": "text"}'),
    ],
)
async def test_a_document_is_read_in_a_format(
    server: Local, form: str, media_type: str, body: bytes
) -> None:
    answer = await ask(server, "GET", params={"format": form})

    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["content-type"] == media_type
    assert answer.headers["syncroom-incarnation"] == "0" * 32
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_json_is_what_is_read_without_a_format(server: Local) -> None:
    assert (await ask(server, "GET")).json() == {"text": "hello"}


async def test_text_is_imported_as_an_edit(server: Local) -> None:
    answer = await ask(server, "PUT", content="hello you", headers={"Content-Type": "text/plain"})

    assert answer.json() == {"path": "notes", "incarnation": "0" * 32, "changed": True}
    assert (await ask(server, "GET")).json() == {"text": "hello you"}


async def test_json_updates_and_patches_are_imported(server: Local) -> None:
    put = await ask(server, "PUT", json={"text": "hello", "list": [1]})
    other = craft.update(craft.section(2, 0, craft.in_root(craft.STRING, b"\x02hi", "more")))
    merged = await ask(server, "PUT", content=other, params={"format": "update"})
    patched = await ask(
        server,
        "PATCH",
        content='[{"op": "add", "path": "/list/-", "value": 2}]',
        headers={"Content-Type": "application/json-patch+json"},
    )

    assert [each.json()["changed"] for each in (put, merged, patched)] == [True] * 3
    assert (await ask(server, "GET")).json() == {"text": "hello", "list": [1, 2], "more": "hi"}


async def test_a_document_follows_a_schema_that_was_put(server: Local) -> None:
    plan = "/api/rooms/demo/documents/plan.todo"
    as_schema = {"Content-Type": "application/schema+json"}

    first = await ask(server, "PUT", plan, json=TODO, headers=as_schema)
    again = await ask(server, "PUT", plan, json=TODO, params={"format": "schema"})
    put = await ask(server, "PUT", plan, json=todo(item(title="a")))
    refused = await ask(server, "PUT", plan, json=todo(item(colour="red")))
    other = await ask(server, "PUT", json=TODO, params={"format": "schema"})

    assert [each.json()["changed"] for each in (first, again, put)] == [True, False, True]
    read = await ask(server, "GET", plan, params={"format": "schema"})
    assert read.headers["content-type"] == "application/schema+json"
    assert read.json() == TODO
    assert (await ask(server, "GET", plan)).json() == todo(item(title="a"))
    assert code(refused) == (400, "malformed")
    assert "todo.items[0].item: unknown property 'colour'" in refused.json()["error"]["message"]
    assert code(other) == (409, "conflict")
    assert code(await ask(server, "GET", params={"format": "schema"})) == (404, "not_found")


async def test_a_new_document_follows_the_schema_of_its_extension(server: Local) -> None:
    files = "/api/rooms/demo/documents/.schemas/todo.json"
    plan = "/api/rooms/demo/documents/plan.todo"
    await ask(server, "PUT", files, content=json.dumps(TODO), params={"format": "text"})

    await ask(server, "PUT", plan, json=todo(item(title="a")))

    assert (await ask(server, "GET", plan, params={"format": "schema"})).json() == TODO
    assert (await ask(server, "GET", plan)).json() == todo(item(title="a"))


async def test_what_a_schema_does_not_know_is_counted(server: Local) -> None:
    plan = "/api/rooms/demo/documents/plan.todo"
    await ask(server, "PUT", plan, json=TODO, params={"format": "schema"})
    stranger = craft.update(craft.section(9, 0, craft.in_root(TYPE, b"\x03\x05blink", "xml")))
    await ask(server, "PUT", plan, content=stranger, params={"format": "update"})

    answer = await ask(server, "GET", plan)

    assert answer.headers["syncroom-left-out"] == "1"
    assert answer.json() == todo()


async def test_an_open_editor_sees_a_change_at_once(server: Local) -> None:
    async with joined(f"ws://127.0.0.1:{server.port}{server.path()}") as editor:
        await ask(server, "PUT", content="hello you", params={"format": "text"})

        await editor.first("update")


async def test_a_deleted_document_closes_its_sessions_with_4404_and_begins_anew(
    server: Local,
) -> None:
    async with joined(f"ws://127.0.0.1:{server.port}{server.path()}") as editor:
        answer = await ask(server, "DELETE")

        assert answer.status_code == 204
        assert (await editor.closed())[0] == 4404
    assert code(await ask(server, "GET")) == (404, "not_found")
    assert code(await ask(server, "DELETE")) == (404, "not_found")
    again = await ask(server, "PUT", content="new", params={"format": "text"})
    assert again.json()["incarnation"] != "0" * 32


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_nothing_is_done_without_a_token(server: Local, method: str) -> None:
    async with http_client(server) as client:
        answer = await client.request(method, URL)

    assert code(answer) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("sync", "allowed"),
    [
        ([], []),
        (["other"], []),
        (["notes:ro"], ["GET"]),
        (["notes"], ["GET", "PUT", "PATCH", "DELETE"]),
    ],
)
async def test_the_sync_grant_decides(server: Local, sync: list[str], allowed: list[str]) -> None:
    done = []
    for method, body, kind in (
        ("GET", None, ""),
        ("PUT", "hi", "text/plain"),
        ("PATCH", "[]", "application/json-patch+json"),
        ("DELETE", None, ""),
    ):
        headers = {"Content-Type": kind} if kind else {}
        answer = await ask(server, method, sync=sync, content=body, headers=headers)
        if answer.status_code < 300:
            done.append(method)
        else:
            assert code(answer) == (403, "denied")

    assert done == allowed


@pytest.mark.parametrize("path", [".room/participants", ".ROOM/x", ".room"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_the_rooms_own_documents_are_refused(server: Local, method: str, path: str) -> None:
    answer = await ask(server, method, f"/api/rooms/demo/documents/{path}")

    assert code(answer) == (403, "denied")


@pytest.mark.parametrize(
    ("method", "options", "reason"),
    [
        ("GET", {"params": {"format": "pdf"}}, "format"),
        ("PUT", {"content": "x"}, "format"),
        ("PUT", {"content": "x", "params": {"format": "update"}}, "bytes"),
        ("PUT", {"content": "[", "params": {"format": "json"}}, "JSON"),
        ("PUT", {"content": b"\xff", "params": {"format": "text"}}, "UTF-8"),
        ("PATCH", {"content": "[]"}, "json-patch"),
    ],
)
async def test_what_can_not_be_taken_is_answered_with_400(
    server: Local, method: str, options: dict[str, Any], reason: str
) -> None:
    answer = await ask(server, method, **options)

    assert code(answer) == (400, "malformed")
    assert reason in answer.json()["error"]["message"]


async def test_a_path_that_can_not_be_is_not_found(server: Local) -> None:
    answer = await ask(server, "GET", "/api/rooms/demo/documents/a%00b")

    assert code(answer) == (404, "not_found")


async def test_a_body_larger_than_an_update_may_be_is_refused(server: Local) -> None:
    fits = await ask(server, "PUT", content="a" * 100_000, params={"format": "text"})
    answer = await ask(server, "PUT", content="a" * 200_001, params={"format": "text"})

    assert fits.status_code == 200
    assert code(answer) == (413, "limit")


async def test_a_body_that_nobody_is_permitted_to_send_is_not_waited_for(server: Local) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"PUT /api/rooms/demo/documents/notes HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n"
    )

    head = await reader.readuntil(b"\r\n")
    writer.write(b"a" * 1000)

    assert head == b"HTTP/1.1 401 Unauthorized\r\n"
    await reader.read()  # up to the end
    writer.close()


async def test_search_tells_what_the_asker_may_read_and_nothing_else(server: Local) -> None:
    await ask(server, "PUT", "/api/rooms/demo/documents/secret?format=text", content="hello too")
    url = "/api/rooms/demo/search"

    everything = await ask(server, "GET", url, params={"q": "h.llo", "regex": "1"})
    some = await ask(server, "GET", url, params={"q": "hello"}, sync=["notes:ro"])
    nothing = await ask(server, "GET", url, params={"q": ""})

    assert set(everything.json()["documents"]) == {"notes", "secret"}
    hit = {"pointer": "/text", "line": 1, "text": "hello"}
    assert some.json() == {"room": "demo", "documents": {"notes": {"hits": [hit]}}}
    assert code(nothing) == (400, "malformed")


async def test_metrics_count_the_processes_that_read_content(server: Local) -> None:
    await ask(server, "GET")

    text = (await ask(server, "GET", "/metrics")).text

    assert "syncroom_view_hosts_started_total 1.0" in text
    assert "syncroom_view_hosts_died_total 0.0" in text
