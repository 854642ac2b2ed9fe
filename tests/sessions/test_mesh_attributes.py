"""What participants of the MeshAgent wire say of themselves, and what the others hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.member import Member

if TYPE_CHECKING:
    from tests.support.server import Server


async def test_only_what_changed_is_told_and_a_name_is_the_tokens(
    shared_server: Server, room: str
) -> None:
    url = f"{shared_server.ws_url}/rooms/{room}?token="
    ann = await Member.join(url + shared_server.token(room=room, name="ann"))
    ben = await Member.join(url + shared_server.token(room=room, name="ben"))
    async with ann, ben:
        for each in (ann, ben):
            await each.invoke("messaging.enable")

        said: list[dict[str, object]] = [
            {"mood": 1, "at": [1], "name": "eve"},
            {"mood": 1, "at": [1]},
            {"name": "eve"},
            {"mood": True, "at": [1]},
        ]
        for attributes in said:
            await ann.send("set_attributes", attributes)
        await ann.invoke("messaging.broadcast", {"type": "end"})
        await ben.first("messaging.send", type="end")

        events = [it.header for it in ben.of_kind("messaging.send")]
        told = [it["message"] for it in events if it["type"] == "participant.attributes"]
        assert told == [{"attributes": {"mood": 1, "at": [1]}}, {"attributes": {"mood": True}}]
