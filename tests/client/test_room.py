"""A room from the outside: calls, streams and events, and what they raise."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from syncroom import RoomClient
from syncroom.auth.keys import encode_api_key
from syncroom.errors import (
    Conflict,
    Denied,
    Disabled,
    Malformed,
    Misconfigured,
    NotFound,
    SyncroomError,
    Unavailable,
)
from syncroom.protocol.meshagent import (
    HOST_CALL,
    OPEN,
    REGISTER_TOOLKIT,
    binary_content,
    json_content,
)
from syncroom.store.keys import KeyFile
from tests.cli.command import Command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import ServerFactory
    from tests.support.server import Server


@pytest.fixture
def client(shared_server: Server, room: str) -> RoomClient:
    return RoomClient(shared_server.url, room, shared_server.token(room=room, scope="full"))


async def test_calls_are_answered_in_any_order(client: RoomClient) -> None:
    async with client as room:
        waiting = asyncio.create_task(
            room.call("queues", "receive", {"name": "q", "create": True, "wait": True})
        )
        sent = {"name": "q", "create": True, "message": {"text": "H\u00e4llo", "n": [1, None]}}
        await room.call("queues", "send", json_content(sent))

        assert (await waiting).header["json"] == sent["message"]
        assert room.id


async def test_a_message_may_be_larger_than_a_packet(client: RoomClient) -> None:
    message = {"text": "x" * 1_000_000}

    async with client as room:
        await room.call("queues", "send", {"name": "q", "create": True, "message": message})
        answer = await room.call("queues", "receive", {"name": "q"})

    assert answer.header["json"] == message


@pytest.mark.parametrize(
    ("kind", "toolkit", "tool", "arguments"),
    [
        (NotFound, "nothing", "x", {}),
        (NotFound, "storage", "delete", {"path": "a"}),
        (Malformed, "storage", "delete", {"path": 1}),
        (Malformed, "storage", "stat", {"path": "a\\b"}),
        (Malformed, "queues", "send", OPEN),
    ],
)
async def test_errors_are_of_their_kind(
    client: RoomClient,
    kind: type[SyncroomError],
    toolkit: str,
    tool: str,
    arguments: dict[str, object],
) -> None:
    async with client as room:
        with pytest.raises(kind):
            await room.call(toolkit, tool, arguments)


async def test_an_error_of_a_stream_is_raised_where_it_is_read(client: RoomClient) -> None:
    start = {"kind": "start", "path": "a", "size": 1}
    async with client as room:
        with pytest.raises(NotFound):
            async with room.stream("storage", "download", binary_content(start)) as stream:
                await stream.receive()
        with pytest.raises(NotFound, match="no tool"):
            async with room.stream("storage", "nothing"):
                pytest.fail("it has no tool of that name")
        async with room.stream("storage", "upload", binary_content(start)) as stream:
            await stream.receive()
            await stream.send(binary_content({"kind": "data"}, b"1"))
            assert [content async for content in stream] == []
        with pytest.raises(Conflict):
            async with room.stream("storage", "upload", binary_content(start)) as stream:
                await stream.receive()


async def test_a_stream_that_has_ended_has_no_more(client: RoomClient) -> None:
    start = {"kind": "start", "path": "empty", "size": 0}
    async with client as room:
        async with room.stream("storage", "upload", binary_content(start)) as stream:
            with pytest.raises(Unavailable, match="too early"):
                await stream.receive()


async def test_a_tool_that_answers_once_ends_its_stream(client: RoomClient) -> None:
    toolkit = {"name": "desk", "tools": {"ask": {"title": "Ask"}}, "public": True}
    async with client as room:
        await room.request(REGISTER_TOOLKIT, toolkit)

        async def host() -> None:
            with room.events() as events:
                async for event in events:
                    if event.kind == f"{HOST_CALL}.desk":
                        await room.answer(event, json_content({"n": 1}))
                        return

        hosting = asyncio.create_task(host())
        async with room.stream("desk", "ask") as stream:
            contents = [content async for content in stream]
        await hosting

    assert [content.header["json"] for content in contents] == [{"n": 1}]


async def test_a_stream_that_is_given_up_changes_nothing(client: RoomClient) -> None:
    start = {"kind": "start", "path": "half", "size": None}
    async with client as room:
        with pytest.raises(ZeroDivisionError):
            async with room.stream("storage", "upload", binary_content(start)) as stream:
                await stream.receive()
                await stream.send(binary_content({"kind": "data"}, b"half"))
                raise ZeroDivisionError
        found = await room.call("storage", "exists", {"path": "half"})

    assert found.header["json"] == {"exists": False}


async def test_events_are_heard_by_all_who_listen(client: RoomClient) -> None:
    start = {"kind": "start", "path": "a", "size": 0}
    async with client as room:
        with room.events() as first, room.events() as second:
            async with room.stream("storage", "upload", binary_content(start)) as stream:
                assert [content async for content in stream] == []

            heard = await anext(first)
            assert await anext(second) == heard

    assert heard.kind == "storage.file.updated"
    assert heard.header == {"path": "a", "participant_id": room.id}


async def test_what_waits_fails_when_the_connection_is_lost(server: Server) -> None:
    async with RoomClient(server.ws_url, "demo", server.token()) as room:
        start = binary_content({"kind": "start", "path": "a"})
        asked = {"name": "q", "create": True, "wait": True}
        with room.events() as events:
            call = asyncio.create_task(room.call("queues", "receive", asked))
            with pytest.raises(Unavailable, match="lost"):
                async with room.stream("storage", "upload", start) as stream:
                    await stream.receive()
                    server.kill()
                    await stream.receive()
            for waiting in (call, anext(events), room.call("queues", "list")):
                with pytest.raises(Unavailable, match="lost"):
                    await waiting
        with room.events() as later, pytest.raises(Unavailable, match="lost"):
            await anext(later)


async def test_whoever_is_not_let_in_is_told_why(server: Server) -> None:
    with pytest.raises(Denied, match="does not grant"):
        async with RoomClient(server.url, "other", server.token()):
            pass
    server.terminate()
    rooms = Command("rooms", "--data-dir", str(server.data_dir))
    await asyncio.to_thread(rooms.out, "create", "demo")
    await asyncio.to_thread(rooms.out, "disable", "demo")
    with pytest.raises(Unavailable, match="can't be reached"):
        async with RoomClient(server.url, "demo", server.token()):
            pass
    server.start()
    with pytest.raises(Disabled):
        async with RoomClient(server.url, "demo", server.token()):
            pass
    with pytest.raises(NotFound):
        async with RoomClient(f"{server.url}/nothing", "demo", server.token()):
            pass


async def test_a_server_that_speaks_something_else_is_told() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match="no such server"):
            async with RoomClient(f"http://127.0.0.1:{port}", "demo", "x"):
                pass


def test_a_url_has_to_be_one() -> None:
    with pytest.raises(Misconfigured, match="'demo'"):
        RoomClient("demo", "demo", "x")


async def test_who_is_dismissed_is_told_why(start_server: ServerFactory, tmp_path: Path) -> None:
    key = encode_api_key(KeyFile(tmp_path / "data-0").add("backend"))
    server = start_server()
    rooms = Command("rooms", SYNCROOM_URL=server.url, SYNCROOM_API_KEY=key)
    async with RoomClient(server.url, "demo", server.token()) as room:
        with room.events() as events:
            await asyncio.to_thread(rooms.out, "disable", "demo")

            with pytest.raises(Denied, match="disabled"):
                await anext(events)
