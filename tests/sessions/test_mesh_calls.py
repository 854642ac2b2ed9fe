"""Calls over the MeshAgent wire whose ends come early: callers, hosts and streams that go."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.support.member import CLOSE, OPEN, Member, json_content, pack, packets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.server import Server

CALL, CHUNK = "room.tool_call.desk", "room.tool_call_request_chunk.desk"
TALK, SAID = "room.tool_call.messaging", "room.tool_call_request_chunk.messaging"


def note(**message: Any) -> dict[str, Any]:
    return {"type": "note", "message_json": "{}", "attachment_base64": None, **message}


@asynccontextmanager
async def members(server: Server, room: str, *names: str) -> AsyncIterator[list[Member]]:
    joined = [
        await Member.join(f"{server.ws_url}/rooms/{room}?token={token}")
        for token in (server.token(room=room, name=name) for name in names)
    ]
    try:
        yield joined
    finally:
        for each in joined:
            await each.cut()


async def test_two_callers_with_the_same_call_id_get_each_its_own_answer(
    shared_server: Server, room: str
) -> None:
    async with members(shared_server, room, "host", "ann", "ben") as (host, ann, ben):
        await host.host("desk", "echo")
        for caller in (ann, ben):
            await caller.begin("desk.echo", OPEN, "same")
        await host.until(lambda: len(host.of_kind(CALL)) == 2, "both calls")
        asked = {each.header["caller_id"]: each for each in host.of_kind(CALL)}

        for caller in (ann, ben):
            await host.answer(asked[caller.id], OPEN)
            await host.emit(asked[caller.id], json_content({"for": caller.id}))
            await host.emit(asked[caller.id], CLOSE)
        for caller in (ann, ben):
            await caller.over("same")

        assert len({each.header["tool_call_id"] for each in asked.values()}) == 2
        assert ann.chunks("same") == [json_content({"for": ann.id}), CLOSE]
        assert ben.chunks("same") == [json_content({"for": ben.id}), CLOSE]


async def test_a_caller_that_goes_ends_its_calls_and_what_the_host_still_says_is_nobodys(
    shared_server: Server, room: str
) -> None:
    async with members(shared_server, room, "host", "ann", "ben") as (host, ann, ben):
        await host.host("desk", "echo")
        await ann.begin("desk.echo", json_content({}), "unary")
        await ann.begin("desk.echo", OPEN, "streamed")
        await host.until(lambda: len(host.of_kind(CALL)) == 2, "both calls")
        unary, streamed = host.of_kind(CALL)
        await host.answer(streamed, OPEN)
        await host.emit(streamed, json_content({"n": 1}))
        await ann.until(lambda: bool(ann.chunks("streamed")), "the first content")

        await ann.cut()

        await host.until(lambda: len(host.of_kind(CHUNK)) == 2, "the ends of both")
        assert [each.chunk for each in host.of_kind(CHUNK)] == [CLOSE, CLOSE]
        await host.answer(unary, json_content({"late": True}))
        await host.emit(streamed, json_content({"late": True}))
        await host.round_trip()
        host.answers_calls = True
        assert (await ben.invoke("desk.echo", {"a": 1})).header == json_content({"a": 1})


async def test_calls_of_a_toolkit_that_is_taken_back_fail_and_others_go_on(
    shared_server: Server, room: str
) -> None:
    async with members(shared_server, room, "host", "ann") as (host, ann):
        desk = await host.host("desk", "echo")
        await host.host("other", "echo")
        unary = await ann.begin("desk.echo", json_content({}), "unary")
        await ann.begin("desk.echo", OPEN, "streamed")
        kept = await ann.begin("other.echo", json_content({}))
        asked = await host.first("room.tool_call.other")
        await host.answer(host.of_kind(CALL)[1], OPEN)

        await host.ask("room.unregister_toolkit", {"id": desk})

        failed = await ann.answer_to(unary)
        await ann.until(lambda: CLOSE in ann.chunks("streamed"), "the end of the stream")
        assert (failed.header["type"], failed.header["code"]) == ("error", 1008)
        assert [each["type"] for each in ann.chunks("streamed")] == ["error", "control"]
        await host.answer(asked, json_content({"a": 1}))
        assert (await ann.answer_to(kept)).header == json_content({"a": 1})


async def test_a_host_that_goes_fails_its_calls(shared_server: Server, room: str) -> None:
    async with members(shared_server, room, "host", "ann") as (host, ann):
        await host.host("desk", "echo")
        unary = await ann.begin("desk.echo", json_content({}), "unary")
        await ann.begin("desk.echo", OPEN, "streamed")
        await host.until(lambda: len(host.of_kind(CALL)) == 2, "both calls")
        await host.answer(host.of_kind(CALL)[1], OPEN)

        await host.cut()

        assert (await ann.answer_to(unary)).header["code"] == 1008
        await ann.until(lambda: CLOSE in ann.chunks("streamed"), "the end of the stream")
        assert ann.chunks("streamed")[0]["code"] == 1008


async def test_what_a_host_says_and_nobody_can_read_fails_that_call_alone(
    shared_server: Server, room: str
) -> None:
    async with members(shared_server, room, "host", "ann") as (host, ann):
        await host.host("desk", "echo")
        unary = await ann.begin("desk.echo", json_content({}), "unary")
        await ann.begin("desk.echo", OPEN, "streamed")
        kept = await ann.begin("desk.echo", json_content({"a": 1}), "kept")
        await host.until(lambda: len(host.of_kind(CALL)) == 3, "the calls")
        first, second, third = host.of_kind(CALL)
        await host.answer(second, OPEN)

        await host.answer(first, json_content({"mean": float("nan")}))
        await host.emit(second, json_content({"mean": float("inf")}))
        await host.answer(third, json_content({"mean": 1}))

        failed = (await ann.answer_to(unary)).header
        assert failed["code"] == 1008
        assert "NaN is no JSON" in failed["text"]
        assert "Infinity is no JSON" in (await ann.over("streamed"))[0]["text"]
        assert (await ann.answer_to(kept)).header == json_content({"mean": 1})


async def test_a_request_that_nobody_can_read_is_refused_and_its_sender_stays(
    shared_server: Server, room: str
) -> None:
    async with members(shared_server, room, "ann") as (ann,):
        deep = b'{"a":' * 100 + b"1" + b"}" * 100
        for kind in ("room.invoke_tool", "room.list_toolkits"):
            number = next(ann.numbers)
            for each in packets(number, kind, pack(deep)):
                await ann.socket.send(each)

            answer = (await ann.answer_to(number)).header
            assert (answer["type"], answer["code"]) == ("error", 1002)
            assert "nested deeper than 64" in answer["text"]
        refused = await ann.invoke("queues.send", {"name": "a", "message": {"n": float("nan")}})

        assert "NaN is no JSON" in refused.header["text"]
        await ann.round_trip()


async def test_a_host_that_streams_without_an_answer_or_answers_twice_confuses_nobody(
    shared_server: Server, room: str
) -> None:
    async with members(shared_server, room, "host", "ann") as (host, ann):
        await host.host("desk", "echo")
        first = await ann.begin("desk.echo", json_content({}), "first")
        second = await ann.begin("desk.echo", json_content({}), "second")
        await host.until(lambda: len(host.of_kind(CALL)) == 2, "both calls")
        early, double = host.of_kind(CALL)

        await host.emit(early, json_content({"n": 1}))
        for answer in (OPEN, OPEN, json_content({"n": 2})):
            await host.answer(double, answer)
        await host.emit(double, CLOSE)

        assert (await ann.answer_to(first)).header["code"] == 1008
        await ann.until(lambda: CLOSE in ann.chunks("second"), "the end of the stream")
        assert (ann.chunks("first"), ann.chunks("second")) == ([], [CLOSE])
        answers = [each.header for each in ann.of_kind("__response__") if each.number == second]
        assert answers == [OPEN]


async def test_messages_with_one_number_are_calls_of_their_own(
    shared_server: Server, room: str
) -> None:
    async with members(shared_server, room, "host", "ann") as (host, ann):
        await host.host("desk", "echo")
        for caller, number in ((ann, 1), (ann, 2)):
            caller.numbers = iter([7])
            header = {"toolkit": "desk", "tool": "echo", "arguments": json_content({"n": number})}
            await caller.send("room.invoke_tool", header)
        await host.until(lambda: len(host.of_kind(CALL)) == 2, "both calls")

        await ann.cut()

        await host.until(lambda: len(host.of_kind(CHUNK)) == 2, "the ends of both")


async def test_what_is_said_before_a_talk_is_accepted_comes_after_and_is_lost_when_it_is_not(
    shared_server: Server, room: str
) -> None:
    async with members(shared_server, room, "ann", "ben") as (ann, ben):
        to_ben = {"to_participant_id": ben.id}
        for call in ("taken", "refused"):
            await ann.begin("messaging.stream", json_content(note(**to_ben)), call)
        for call in ("taken", "refused"):
            await ann.begin("messaging.stream", OPEN, f"{call} too")
            await ann.stream(f"{call} too", json_content(note(**to_ben)))
            await ann.stream(f"{call} too", json_content(note(type=call)))
        await ben.until(lambda: len(ben.of_kind(TALK)) == 4, "all calls")
        taken, refused = ben.of_kind(TALK)[2:]
        before = len(ben.of_kind(SAID))

        await ben.answer(taken, OPEN)
        await ben.answer(refused, {"type": "error", "text": "not now"})
        await ben.until(lambda: len(ben.of_kind(SAID)) > before, "what was said")
        await ann.round_trip()

        assert [each.chunk["json"]["type"] for each in ben.of_kind(SAID)[before:]] == ["taken"]
        assert ann.chunks("taken too")[0]["json"]["kind"] == "accepted"
        assert ann.chunks("refused too") == []


async def test_a_talk_ends_for_both_whoever_goes(shared_server: Server, room: str) -> None:
    async with members(shared_server, room, "ann", "ben", "eve") as (ann, ben, eve):
        to_ben = {"to_participant_id": ben.id}
        for caller in (ann, eve):
            await caller.begin("messaging.stream", OPEN, "talk")
            await caller.stream("talk", json_content(note(**to_ben)))
        await ben.until(lambda: len(ben.of_kind(TALK)) == 2, "both calls")
        for each in ben.of_kind(TALK):
            await ben.answer(each, OPEN)
        await eve.until(lambda: bool(eve.chunks("talk")), "the talk")
        said = len(ben.of_kind(SAID))

        await eve.cut()
        await ben.until(lambda: len(ben.of_kind(SAID)) > said, "that eve is gone")
        gone = ben.id
        await ben.cut()
        await ann.until(lambda: CLOSE in ann.chunks("talk"), "the end")

        assert ben.of_kind(SAID)[-1].chunk == CLOSE
        told = {"kind": "client_disconnected", "participant_id": gone}
        assert ann.chunks("talk")[1:] == [json_content(told), CLOSE]


async def test_a_message_of_a_queue_whose_receiver_goes_is_not_lost(
    shared_server: Server, room: str
) -> None:
    async with members(shared_server, room, "ann", "ben") as (ann, ben):
        await ann.begin("queues.receive", json_content({"name": "jobs"}))
        await ann.round_trip()

        await ann.cut()
        await ben.invoke("queues.send", {"name": "jobs", "message": {"n": 1}})

        received = await ben.invoke("queues.receive", {"name": "jobs", "wait": False})
        assert received.header == json_content({"n": 1})
