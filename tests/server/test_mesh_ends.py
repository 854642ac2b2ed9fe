"""How a MeshAgent session ends, so that SDKs stay away or come back; and what it hears before."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from tests.document.schemas import TODO
from tests.faults.test_full_disk import full_disk
from tests.protocol import craft
from tests.server.local import Local, local
from tests.support.member import Member, json_content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from tests.support.server import Server

NORMAL = 1000
"""The one code after which no SDK comes back."""


@asynccontextmanager
async def joined(server: Local, name: str = "ann", **claims: float) -> AsyncIterator[Member]:
    token = server.token(name=name, **claims)
    async with await Member.join(f"ws://127.0.0.1:{server.port}/rooms/demo?token={token}") as it:
        yield it


async def test_who_is_in_a_room_that_is_disabled_is_closed_for_good() -> None:
    async with local() as server, joined(server) as ann:
        room = await server.rooms.catalogue.find("demo")
        await server.rooms.change(room.id, {"is_enabled": False})

        assert await ann.closed() == (NORMAL, "this room was disabled")


async def test_who_is_in_a_room_that_is_deleted_is_closed_for_good() -> None:
    async with local() as server, joined(server) as ann:
        await server.rooms.delete("demo")

        assert await ann.closed() == (NORMAL, "the room 'demo' was deleted")


async def test_a_session_ends_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncroom.auth.participant.LEEWAY_S", 0)
    async with local() as server, joined(server, ttl=2) as ann:
        assert await ann.closed() == (NORMAL, "the token has expired")


async def test_a_server_that_stops_says_nothing_so_that_clients_come_back(server: Server) -> None:
    async with await Member.join(f"{server.ws_url}/rooms/demo?token={server.token()}") as ann:
        code = await asyncio.to_thread(server.terminate)

        assert code == 0
        assert await ann.closed() == (None, "")


async def test_a_full_disk_is_told_and_what_is_written_meanwhile_is_taken_after_it(
    server: Server,
) -> None:
    url = f"{server.ws_url}/rooms/demo?token={server.token()}"
    first = craft.update(craft.section(5, 0, craft.string("kept")))
    async with await Member.join(url) as ann, await Member.join(url) as reader:
        await ann.open("a.page", "ann", schema=TODO)
        await reader.open("a.page", "reader")
        clock = 0
        with full_disk(server):
            while not ann.of_kind("room.status"):
                await ann.edit("ann", craft.update(craft.section(7, clock, craft.string("x" * 9))))
                clock += 9
            await ann.edit("ann", first)
            async with await Member.join(url) as late:
                told = await late.first("room.status")

        again = await reader.first("room.status", status="ready")
        await reader.until(
            lambda: any(b"kept" in it for it in reader.updates("reader")), "the edit"
        )

    assert ann.of_kind("room.status")[0].header["status"] == "read_only"
    assert set(told.header) == {"status", "message"} == set(again.header)
    assert "saved" in told.header["message"]


async def test_a_client_that_is_ahead_is_counted_and_heals_when_the_rest_comes(
    server: Server,
) -> None:
    url = f"{server.ws_url}/rooms/demo?token={server.token()}"
    one, two = craft.string("a"), craft.behind(craft.STRING, b"\x01b", (5, 0))
    start, rest = craft.update(craft.section(5, 0, one)), craft.update(craft.section(5, 1, two))
    async with await Member.join(url) as ann, await Member.join(url) as ben:
        for member, call in ((ann, "ann"), (ben, "ben")):
            await member.open("a.page", call, schema=TODO)

        vector = base64.b64encode(b"\x01\x05\x02").decode()
        await ann.open("a.page", "ahead", vector=vector)
        await ann.edit("ann", rest)
        await ann.round_trip()
        assert "a client is ahead of the document" in server.logs()
        assert await _gaps(server) == 2
        assert len(ben.updates("ben")) == 1
        await ann.edit("ann", start)

        await ben.until(lambda: start in ben.updates("ben"), "the start")
        await ben.until(lambda: len(ben.updates("ben")) >= 2, "the rest")


async def _gaps(server: Server) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        metrics = (await client.get(f"{server.url}/metrics")).text
    found = re.search(r"^syncroom_gaps_total (\S+)$", metrics, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


# -- faults of the server's own


async def test_a_fault_in_a_tool_is_that_calls_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with local() as server, joined(server) as ann:
        messaging = server.rooms.room("demo").apis.messaging
        monkeypatch.setattr(messaging, "_read", _break)
        note = {"type": "note", "message_json": '{"secret":"payload"}'}

        failed = await ann.invoke("messaging.broadcast", note)

        assert failed.header["type"] == "error"
        _is_incident(failed.header["text"], caplog)
        assert (await ann.invoke("messaging.enable")).header == {"type": "empty"}


async def test_a_fault_in_a_map_that_others_watch_ends_that_session_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with local() as server, joined(server) as ann, joined(server, "ben") as ben:
        participants = server.rooms.room("demo").participants
        with monkeypatch.context() as patch:
            patch.setattr(participants, "show", _break)
            await ann.send("set_attributes", {"a": 1})
            code, reason = await ann.closed()

        assert code == 1011
        _is_incident(reason, caplog)
        assert (await ben.invoke("messaging.enable")).header == {"type": "empty"}
        await ben.cut()


async def test_a_fault_in_a_hosted_call_is_that_hosts_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with local() as server, joined(server, "host") as host, joined(server) as ann:
        await host.host("desk", "echo")
        asked = await ann.begin("desk.echo", json_content({}))
        call = await host.first("room.tool_call.desk")
        with monkeypatch.context() as patch:
            patch.setattr("syncroom.apis.calls.HostedCall.answer", _break)
            await host.answer(call, json_content({}))
            code, reason = await host.closed()

        assert code == 1011
        _is_incident(reason, caplog)
        assert (await ann.answer_to(asked)).header["type"] == "error"
        assert (await ann.invoke("messaging.enable")).header == {"type": "empty"}


def _break(*_: object) -> None:
    raise RuntimeError("a fault")


def _is_incident(text: str, caplog: pytest.LogCaptureFixture) -> None:
    identity = text.rpartition(" ")[2]
    assert f"incident {identity}" in text
    records = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert any(identity in each.getMessage() for each in records)
    assert not any("payload" in each.getMessage() for each in records)


# -- rooms apart


async def test_nothing_of_another_room_is_reached_by_an_id_that_is_known(
    shared_server: Server, room: str
) -> None:
    urls = [
        f"{shared_server.ws_url}/rooms/{it}?token={shared_server.token(room=it)}"
        for it in (room, f"{room}-2")
    ]
    async with await Member.join(urls[0]) as theirs, await Member.join(urls[1]) as mine:
        theirs.answers_calls = True
        registration = await theirs.host("desk", "echo")
        await theirs.invoke("messaging.enable")
        await theirs.invoke("queues.send", {"name": "jobs", "message": {"taint": 1}})
        await theirs.open("a.page", "call", schema=TODO)
        taint = craft.update(craft.section(5, 0, craft.string("taint")))
        await theirs.edit("call", taint)
        await theirs.send("set_attributes", {"taint": 1})
        note = {"type": "note", "message_json": "{}", "to_participant_id": theirs.id}
        before = len(theirs.received)

        answers = [
            await mine.invoke("messaging.enable"),
            await mine.invoke("messaging.send", note),
            await mine.invoke("messaging.stream", note),
            await mine.invoke("desk.echo", {}, participant_id=theirs.id),
            await mine.ask("room.list_toolkits", {"participant_id": theirs.id}),
            await mine.ask("room.unregister_toolkit", {"id": registration}),
            await mine.invoke("queues.receive", {"name": "jobs", "wait": False}),
            await mine.invoke("queues.list"),
            await mine.invoke("storage.list", {"path": ""}),
            await mine.invoke("sync.describe", {"path": "a.page"}),
            await mine.invoke("sync.describe", {"path": f"../{room}/a.page"}),
        ]
        await mine.stream("call", json_content({}))
        await mine.answer(theirs.received[0]._replace(number=1), json_content({}))
        await theirs.round_trip()

        assert not any("taint" in str(each) for each in mine.received)
        assert all(theirs.id not in str(each.header) for each in mine.received)
        assert len(theirs.received) == before + 1
        assert answers[4].header == json_content({"tools": {}})
