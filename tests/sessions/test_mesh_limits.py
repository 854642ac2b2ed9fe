"""What one participant of the MeshAgent wire may cost, and that others do not notice."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.document.schemas import TODO
from tests.protocol import craft
from tests.support.member import OPEN, Member, json_content, pack, packet, packets

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.support.server import Server

ROOM = "demo"


async def _join(server: Server, name: str, **options: Any) -> Member:
    return await Member.join(
        f"{server.ws_url}/rooms/{ROOM}?token={server.token(name=name)}", **options
    )


async def test_only_so_many_calls_are_open_and_an_end_makes_room(
    start_server: ServerFactory,
) -> None:
    server = start_server(member_calls_max=5)
    async with await _join(server, "host") as host, await _join(server, "ann") as ann:
        await host.host("desk", "echo")
        for _ in range(5):
            await ann.begin("desk.echo", json_content({}))
        refused = await ann.invoke("desk.echo")
        await host.until(lambda: len(host.of_kind("room.tool_call.desk")) == 5, "the calls")

        await host.answer(host.of_kind("room.tool_call.desk")[0], json_content({}))
        host.answers_calls = True
        await ann.until(lambda: len(ann.of_kind("__response__")) == 2, "the answer")

        assert refused.header["code"] == 1002 and "5 calls" in refused.header["text"]
        assert (await ann.invoke("desk.echo", {"a": 1})).header == json_content({"a": 1})


async def test_toolkits_are_described_in_so_many_bytes(start_server: ServerFactory) -> None:
    server = start_server(member_toolkits_bytes_max=10_000)
    async with await _join(server, "ann") as ann:
        large = {"name": "large", "description": "x" * 6000}
        first = await ann.ask("room.register_toolkit", large)
        second = await ann.ask("room.register_toolkit", large)
        await ann.ask("room.unregister_toolkit", {"id": first.header["json"]["id"]})
        third = await ann.ask("room.register_toolkit", large)

    assert second.header["code"] == 1002
    assert third.header["type"] == "json"


async def test_what_nobody_reads_of_all_streams_together_is_bounded(
    start_server: ServerFactory,
) -> None:
    server = start_server(member_inbox_bytes_max=100_000)
    async with await _join(server, "ann") as ann, await _join(server, "ben") as ben:
        note = {"type": "note", "message_json": "{}", "to_participant_id": ben.id}
        for call in ("one", "two"):
            await ann.begin("messaging.stream", OPEN, call)
            await ann.stream(call, json_content(note))
            await ann.stream_on(call, json_content(note), bytes(60_000))  # ben has not accepted
        await ben.until(lambda: len(ben.of_kind("room.tool_call.messaging")) == 2, "both talks")
        for each in ben.of_kind("room.tool_call.messaging"):
            await ben.answer(each, OPEN)
        ended = await ann.over("two")

        assert [each.get("code") for each in ended][-2] == 1002
        assert not [each for each in ann.chunks("one") if each["type"] == "error"]


async def test_what_is_sent_far_ahead_of_who_reads_is_confirmed_when_it_is_read(
    start_server: ServerFactory,
) -> None:
    server = start_server(member_inbox_bytes_max=100_000)
    async with await _join(server, "ann") as ann, await _join(server, "ben") as ben:
        note = {"type": "note", "message_json": "{}", "to_participant_id": ben.id}
        await ann.begin("messaging.stream", OPEN, "one")
        await ann.stream("one", json_content(note))
        sent = [await ann.stream_on("one", json_content(note), bytes(20_000)) for _ in range(2)]
        await ann.invoke("messaging.enable")
        answers = [each.number for each in ann.of_kind("__response__")]

        await ben.until(lambda: bool(ben.of_kind("room.tool_call.messaging")), "the talk")
        await ben.answer(ben.of_kind("room.tool_call.messaging")[0], OPEN)

        for number in sent:
            await ann.answer_to(number)
        assert not set(sent) & set(answers)


async def test_a_participant_that_never_reads_is_cut_and_others_go_on(
    start_server: ServerFactory,
) -> None:
    server = start_server(member_outbox_bytes_max=1 << 20, outbox_stalled_s_max=60)
    async with await _join(server, "ann") as ann, await _join(server, "ben") as ben:
        deaf = await _join(server, "deaf", max_queue=1)
        deaf.answers_calls = False
        identity = deaf.id
        deaf.socket.transport.pause_reading()
        for each in (ann, ben):
            await each.invoke("messaging.enable")
        letter = {"type": "note", "message_json": '{"a":"' + "x" * 200_000 + '"}'}

        answer = None
        while answer is None or answer.header["type"] == "empty":
            answer = await ann.invoke("messaging.send", {**letter, "to_participant_id": identity})
        await ann.invoke("messaging.broadcast", {"type": "note", "message_json": "{}"})

        assert "not found" in answer.header["text"]
        await ben.first("messaging.send", type="note")
        deaf.socket.transport.resume_reading()
        await deaf.cut()


@pytest.mark.parametrize(
    "wrong",
    [
        [packet(1, 0, b"set_attributes", 2**32 - 1)],
        [packet(1, 0, b"set_attributes", 9), packet(1, 2, b"x")],
        [packet(1, 0, b"x" * 600, 0)],
        packets(1, "set_attributes", pack(b'{"a":' * 100 + b"1" + b"}" * 100)),
        packets(1, "set_attributes", pack({"a": "x" * 100_000})),
        packets(1, "set_attributes", (2**64 - 1).to_bytes(8, "big")),
        [packet(1, 0, b"set_attributes", 60_000)] + [packet(1, at, b"") for at in (1, 2, 2)],
    ],
)
async def test_what_makes_no_message_ends_the_connection_alone(
    shared_server: Server, wrong: list[bytes]
) -> None:
    async with await _join(shared_server, "ann") as ann, await _join(shared_server, "ben") as ben:
        with contextlib.suppress(ConnectionClosed):
            for each in wrong:
                await ann.socket.send(each)

        code, reason = await ann.closed()
        await ben.round_trip()

        assert code in (1007, 1009) and reason


async def test_tiny_requests_without_end_leave_processor_time_to_others(
    start_server: ServerFactory,
) -> None:
    server = start_server(cpu_share_max=0.02)
    async with await _join(server, "ann") as ann, await _join(server, "mallory") as mallory:
        [first, second] = packets(1, "room.list_toolkits", pack({"a": ["x" * 9] * 9000}))
        sending = asyncio.create_task(_flood(mallory, [first, second]))
        while "took its processor time" not in server.logs():
            await ann.round_trip()
        sending.cancel()

        async with httpx.AsyncClient(trust_env=False) as client:
            metrics = (await client.get(f"{server.url}/metrics")).text
    rests = re.search(r"^syncroom_rests_total (\S+)$", metrics, re.MULTILINE)
    assert rests is not None and float(rests[1]) > 0


async def _flood(member: Member, frames: list[bytes]) -> None:
    while True:
        for each in frames:
            await member.socket.send(each)


async def test_an_echo_of_more_parts_than_are_read_at_once_is_passed_over(
    start_server: ServerFactory,
) -> None:
    server = start_server(update_parts_max=100)
    async with await _join(server, "ann") as ann, await _join(server, "ben") as ben:
        await ann.open("a.page", "ann", schema=TODO)
        for client in range(2, 62):
            await ann.edit("ann", craft.update(craft.section(client, 0, craft.string("x"))))
        state = base64.b64decode((await ben.open("a.page", "ben")).payload)

        await ben.edit("ben", state)
        update = craft.update(craft.section(70, 0, craft.string("y")))
        await ben.edit("ben", update)
        await ann.until(lambda: update in ann.updates("ann"), "the next edit")

    assert all(each.chunk.get("type") != "error" for each in ben.received)
    assert len(ann.updates("ann")) == 2
