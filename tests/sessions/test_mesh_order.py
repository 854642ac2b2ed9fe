"""Contents of streams over the MeshAgent wire, in any order that a client may send them in."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from tests.properties import examples
from tests.support.member import CLOSE, OPEN, Member, binary

if TYPE_CHECKING:
    from tests.support.server import Server

Step = tuple[str, dict[str, Any], bytes]
"""A call, a content of its stream, and the bytes of that; without a content it is the call."""


def _upload(call: str, parts: list[bytes]) -> list[Step]:
    start = {"kind": "start", "path": call, "overwrite": False}
    data = [(call, binary({"kind": "data"}), part) for part in parts]
    return [
        (call, {}, b""),
        (call, binary(start), b""),
        *data,
        (call, CLOSE, b""),
        (call, CLOSE, b""),
    ]


@st.composite
def _uploads(draw: st.DrawFn) -> tuple[dict[str, bytes], list[Step]]:
    """Files, and the steps in which they come: each in its own order, among each other in any."""
    parts = draw(st.lists(st.lists(st.binary(min_size=1, max_size=9), max_size=4), max_size=3))
    named = {f"file-{number}": each for number, each in enumerate(parts)}
    waiting = [_upload(name, each) for name, each in named.items()]
    nobodys: Step = "nobody's", binary({"kind": "data"}), b"x"
    steps = []
    while waiting:
        following = draw(st.sampled_from(waiting))
        steps.append(following.pop(0))
        waiting = [each for each in waiting if each]
        if draw(st.booleans()):
            steps.append(nobodys)
    return {name: b"".join(each) for name, each in named.items()}, steps


@examples(20)
@given(_uploads())
async def test_streams_that_come_mixed_are_told_apart_and_every_content_is_confirmed_once(
    _shared_server: Server, uploads: tuple[dict[str, bytes], list[Step]]
) -> None:
    (files, steps), room = uploads, f"room-{uuid.uuid4().hex}"
    url = f"{_shared_server.ws_url}/rooms/{room}?token={_shared_server.token(room=room)}"
    async with await Member.join(url) as ann:
        sent = []
        for call, content, data in steps:
            if content:
                sent.append(await ann.stream_on(call, content, data))
            else:
                await ann.begin("storage.upload", OPEN, call)
        for call in files:
            await ann.over(call)
        await ann.round_trip()

        answers = [it.header for it in ann.of_kind("__response__") if it.number in set(sent)]
        assert answers == [{"type": "empty"}] * len(sent)
        for call, data in files.items():
            assert "error" not in {each["type"] for each in ann.chunks(call)}
            assert await _download(ann, call) == data


async def _download(member: Member, path: str) -> bytes:
    call = uuid.uuid4().hex
    await member.answer_to(await member.begin("storage.download", OPEN, call))
    await member.stream(call, binary({"kind": "start", "path": path, "chunk_size": 100}))
    await member.stream(call, binary({"kind": "pull"}))
    await member.over(call)
    found = member.of_kind("room.tool_call_response_chunk")
    return b"".join(each.payload for each in found if each.header["tool_call_id"] == call)
