"""What hooks decide, give and hear, seen from outside: by clients, over HTTP, in the log."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from syncroom import (
    ApiScope,
    Change,
    Denied,
    Hooks,
    NotFound,
    Participant,
    SyncGrant,
    SyncPathGrant,
    Visitor,
)
from tests.protocol import craft
from tests.server.mounted import around, collab, served, token
from tests.support import wire
from tests.support.editor import Editor
from tests.support.raw import WAIT_S_MAX, RawClient, joined, refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.server.mounted import Mounted

HELLO = craft.update(craft.section(1, 0, craft.string("hello")))


async def _editor(server: Mounted, path: str = "notes", **claims: Any) -> Editor:
    editor = Editor()
    await editor.connect(server.document(path, **claims))
    return editor


async def _write(editor: Editor, text: str) -> None:
    editor.insert(0, text, "content")
    await editor.flush()
    await editor.until_acknowledged()


def _incidents(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        each.getMessage() for each in caplog.records if each.getMessage().startswith("incident")
    ]


# -- authenticate


def _by_cookie(visitor: Visitor) -> Participant | None:
    name = visitor.headers.get("cookie", "").removeprefix("user=")
    if not name:
        return None
    if name == "mallory":
        raise Denied("mallory may not come in")
    paths = [SyncPathGrant(path=f"{name}/*"), SyncPathGrant(path="public", read_only=True)]
    return Participant(f"id-of-{name}", name, scope=ApiScope(sync=SyncGrant(paths=paths)))


async def _by_cookie_later(visitor: Visitor) -> Participant | None:
    await asyncio.sleep(0)
    return _by_cookie(visitor)


@pytest.mark.parametrize("hook", [_by_cookie, _by_cookie_later])
async def test_whom_the_application_knows_comes_in_without_a_token(
    tmp_path: Path, hook: Any
) -> None:
    app = around(collab=collab(tmp_path, hooks=Hooks(authenticate=hook)))
    async with served(app) as server:
        base = f"{server.ws_url}/collab/yjs/demo"
        cookie = {"Cookie": "user=ann"}
        async with connect(f"{base}/ann/notes", additional_headers=cookie, proxy=None) as socket:
            ann = RawClient(socket)
            await ann.send(wire.step1())
            await ann.first("step1")
            await ann.send(wire.update(HELLO))
            await ann.first("update")
        async with connect(f"{base}/ben/notes", additional_headers=cookie, proxy=None) as socket:
            assert (await RawClient(socket).closed())[0] == 4403
        async with httpx.AsyncClient(headers=cookie) as client:
            listed = (await client.get(f"{server.url}/collab/api/rooms/demo/documents")).json()
            assert listed["participant"]["id"] == "id-of-ann"
            assert [each["path"] for each in listed["documents"]] == ["ann/notes"]


async def test_whom_the_application_does_not_know_needs_a_token(tmp_path: Path) -> None:
    app = around(collab=collab(tmp_path, hooks=Hooks(authenticate=_by_cookie)))
    async with served(app) as server:
        async with joined(server.document("anywhere")) as ann:
            assert ann.text() == ""
        assert (await refusal(f"{server.ws_url}/collab/yjs/demo/notes"))[1][0] == 4401
        with pytest.raises(InvalidStatus) as raised:
            await connect(f"{server.ws_url}/collab/rooms/demo", proxy=None)
        assert raised.value.response.status_code == 403


async def test_whom_the_application_refuses_is_told_why(tmp_path: Path) -> None:
    app = around(collab=collab(tmp_path, hooks=Hooks(authenticate=_by_cookie)))
    async with served(app) as server, httpx.AsyncClient() as client:
        headers = {"Cookie": "user=mallory", "Authorization": f"Bearer {token()}"}
        url = f"{server.url}/collab/api/rooms/demo/documents"
        answer = await client.get(url, headers=headers)

        assert answer.status_code == 403
        assert answer.json()["error"]["message"] == "mallory may not come in"


async def test_a_failure_to_authenticate_is_an_incident_for_that_visitor_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def authenticate(visitor: Visitor) -> Participant | None:
        if visitor.path == "bad":
            raise ZeroDivisionError("a secret of the application")
        return None

    app = around(collab=collab(tmp_path, hooks=Hooks(authenticate=authenticate)))
    async with served(app) as server:
        told, (code, reason) = await refusal(server.document("bad"))
        async with joined(server.document("good")) as ann:
            assert ann.text() == ""

    (line,) = _incidents(caplog)
    assert code == 1011
    assert reason.rpartition(" ")[2] in line
    assert "a secret of the application" not in told[0].reason + reason


# -- on_load


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("hello", {"content": "hello"}),
        ({"content": "hello", "tags": ["a"]}, {"content": "hello", "tags": ["a"]}),
        (HELLO, {"text": "hello"}),
    ],
)
async def test_a_new_document_begins_with_what_the_application_gives(
    tmp_path: Path, content: Any, expected: dict[str, Any]
) -> None:
    asked: list[tuple[str, str]] = []

    def on_load(room: str, path: str) -> Any:
        asked.append((room, path))
        return content

    app = collab(tmp_path, hooks=Hooks(on_load=on_load), idle_document_s=0.01)
    url = "/collab/api/rooms/demo/documents/notes"
    for _ in range(2):
        async with served(around(collab=app)) as server:
            editors = await asyncio.gather(*(_editor(server) for _ in range(3)))
            for editor in editors:
                await editor.disconnect()
            headers = {"Authorization": f"Bearer {token()}"}
            async with httpx.AsyncClient(headers=headers) as client:
                assert (await client.get(server.url + url)).json() == expected

    assert asked == [("demo", "notes")]


async def test_a_document_of_which_the_application_knows_nothing_begins_empty(
    tmp_path: Path,
) -> None:
    app = collab(tmp_path, hooks=Hooks(on_load=lambda _room, _path: None))
    async with served(around(collab=app)) as server, joined(server.document()) as ann:
        assert ann.text() == ""


async def test_the_application_may_say_that_there_is_no_such_document(tmp_path: Path) -> None:
    def on_load(_: str, path: str) -> str:
        raise NotFound(f"there is no article {path!r}")

    app = collab(tmp_path, hooks=Hooks(on_load=on_load))
    async with served(around(collab=app)) as server:
        told, closed = await refusal(server.document())

    assert closed[0] == 4404
    assert told[0].reason == "there is no article 'notes'"


@pytest.mark.parametrize(
    "content",
    [b"no update", craft.update(craft.section(1, 5, craft.string("gap"))), {"n": 1}, object()],
)
async def test_content_that_is_none_is_an_incident_and_nothing_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: Any
) -> None:
    given = [content, "good"]
    app = collab(tmp_path, hooks=Hooks(on_load=lambda _room, _path: given.pop(0)))
    async with served(around(collab=app)) as server:
        assert (await refusal(server.document()))[1][0] == 1011
        ann = await _editor(server)

        assert ann.text("content") == "good"
        await ann.disconnect()
    assert len(_incidents(caplog)) == 1


# -- on_change


class Told:
    """What a hook was told, and the time to wait for it."""

    def __init__(self) -> None:
        self.news: list[Any] = []
        self._came = asyncio.Event()

    def add(self, *news: Any) -> None:
        self.news.append(news)
        self._came.set()

    async def until(self, count: int) -> None:
        await self._until(lambda: len(self.news) >= count)

    async def until_last(self, *news: Any) -> None:
        await self._until(lambda: self.news[-1:] == [news])

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            while not holds():
                self._came.clear()
                await self._came.wait()


async def test_changes_are_told_once_their_writers_pause_with_the_content(tmp_path: Path) -> None:
    told = Told()

    async def on_change(change: Change) -> None:
        assert b"content" in await change.update()
        told.add(change.room, change.path, await change.json(), await change.text())

    app = collab(tmp_path, hooks=Hooks(on_change=on_change), change_quiet_s=0.05)
    async with served(around(collab=app)) as server:
        ann = await _editor(server)
        for letter in "abc":
            await _write(ann, letter)
        await told.until_last("demo", "notes", {"content": "cba"}, "cba")
        await _write(ann, "d")
        await told.until_last("demo", "notes", {"content": "dcba"}, "dcba")
        await ann.disconnect()


async def test_who_never_pauses_is_told_of_as_well(tmp_path: Path) -> None:
    told = Told()

    async def on_change(change: Change) -> None:
        told.add(change.participants)

    hooks = Hooks(on_change=on_change)
    app = collab(tmp_path, hooks=hooks, change_quiet_s=60, change_wait_s_max=0.2)
    async with served(around(collab=app)) as server:
        ann, ben = await _editor(server), await _editor(server, name="ben")
        await _write(ann, "a")
        await _write(ben, "b")
        await told.until(1)
        await ann.disconnect()
        await ben.disconnect()

    assert len({name for (names,) in told.news for name in names}) == 2


async def test_what_was_not_told_yet_is_told_at_the_end(tmp_path: Path) -> None:
    told = Told()

    async def on_change(change: Change) -> None:
        told.add(change.path, await change.text())

    app = collab(tmp_path, hooks=Hooks(on_change=on_change), change_quiet_s=60)
    async with served(around(collab=app)) as server:
        for path in ("one", "two"):
            ann = await _editor(server, path)
            for letter in path:
                await _write(ann, letter)
            await ann.disconnect()
        assert told.news == []

    assert sorted(told.news) == [("one", "eno"), ("two", "owt")]


async def test_a_document_that_was_deleted_is_told_of_no_more(tmp_path: Path) -> None:
    told = Told()
    app = collab(tmp_path, hooks=Hooks(on_change=told.add), change_quiet_s=60)
    headers = {"Authorization": f"Bearer {token()}"}
    async with (
        served(around(collab=app)) as server,
        httpx.AsyncClient(headers=headers) as client,
    ):
        url = f"{server.url}/collab/api/rooms/demo/documents/notes"
        assert (await client.put(url, json={"content": "short"})).status_code == 200
        assert (await client.delete(url)).status_code == 204

    assert told.news == []


async def test_a_failing_hook_is_an_incident_each_time_and_editing_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()

    async def on_change(change: Change) -> None:
        told.add(change)
        raise RuntimeError("the database of the application is gone")

    app = collab(tmp_path, hooks=Hooks(on_change=on_change), change_quiet_s=0.01)
    async with served(around(collab=app)) as server:
        ann = await _editor(server)
        for count in (1, 2):
            await _write(ann, "x")
            await told.until(count)
        await ann.disconnect()

    assert len(_incidents(caplog)) == 2
    assert "notes" in str([vars(each).get("about") for each in caplog.records])


# -- on_join and on_leave


async def test_who_opens_and_closes_a_document_is_told_in_order(tmp_path: Path) -> None:
    told, threads = Told(), set()

    async def on_join(room: str, path: str, participant: Participant) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        told.add("join", room, path, participant.name)

    def on_leave(room: str, path: str, participant: Participant) -> None:
        threads.add(threading.current_thread())
        loop.call_soon_threadsafe(told.add, "leave", room, path, participant.name)

    loop = asyncio.get_running_loop()
    app = collab(tmp_path, hooks=Hooks(on_join=on_join, on_leave=on_leave))
    async with served(around(collab=app)) as server:
        async with joined(server.document()):
            async with joined(server.document(name="ben")):
                await told.until(2)
            await told.until(3)
        await told.until(4)

    assert told.news == [
        ("join", "demo", "notes", "ann"),
        ("join", "demo", "notes", "ben"),
        ("leave", "demo", "notes", "ben"),
        ("leave", "demo", "notes", "ann"),
    ]
    assert threading.main_thread() not in threads


async def test_a_hook_that_hangs_delays_the_end_no_longer_than_it_may(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    is_called = asyncio.Event()

    async def on_join(*_: Any) -> None:
        is_called.set()
        await asyncio.Event().wait()

    app = collab(tmp_path, hooks=Hooks(on_join=on_join), hook_s_max=0.2)
    async with served(around(collab=app)) as server, joined(server.document()):
        await is_called.wait()

    assert any(each.levelno == logging.ERROR for each in caplog.records)


async def test_more_news_than_may_wait_are_dropped_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told, may_go_on = Told(), asyncio.Event()

    async def on_join(_: str, path: str, __: Participant) -> None:
        await may_go_on.wait()
        told.add(path)

    hooks = Hooks(on_join=on_join)
    app = collab(tmp_path, hooks=hooks, hooks_at_once_max=1, hooks_waiting_max=2)
    async with served(around(collab=app)) as server:
        for path in ("one", "two", "three"):
            async with joined(server.document(path)):
                pass
        may_go_on.set()
        await told.until(2)

    assert told.news == [("one",), ("two",)]
    assert "on_join was not called" in caplog.text
