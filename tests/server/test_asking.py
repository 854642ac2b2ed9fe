"""A server of its own that asks a hook who somebody is, before it shakes hands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from syncroom import ApiScope, Denied, Hooks, Participant
from tests.server.fakes import frame, handshake
from tests.server.local import dialled, gone, joined, local
from tests.support import wire

if TYPE_CHECKING:
    from syncroom import Visitor


class Porter:
    """Knows Ann, refuses Mallory, and takes its time when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()
        self.hooks = Hooks(authenticate=self.authenticate)

    async def authenticate(self, visitor: Visitor) -> Participant | None:
        self.asked.set()
        await self.may_answer.wait()
        name = visitor.headers.get("cookie")
        if name == "mallory":
            raise Denied("mallory may not come in")
        scope = ApiScope.user_default()
        return Participant("1", "ann", scope=scope) if name == "ann" else None


async def test_whom_the_hook_knows_comes_in() -> None:
    async with (
        local(hooks=Porter().hooks) as server,
        dialled(server, "/yjs/demo/notes", "Cookie: ann") as raw,
    ):
        await raw.say(wire.step1())

        assert (await raw.messages("step1"))[0].kind == "step2"
        (session,) = server.rooms.room("demo").documents["notes"].peers
        assert session.participant.name == "ann"


async def test_whom_it_does_not_know_needs_a_token() -> None:
    async with local(hooks=Porter().hooks) as server:
        async with joined(server):
            pass
        async with dialled(server, "/yjs/demo/notes") as raw:
            assert await raw.close_code() == 4401


@pytest.mark.parametrize("path", ["/yjs/demo/notes", "/rooms/demo"])
async def test_whom_it_refuses_is_told_in_the_way_of_the_endpoint(path: str) -> None:
    async with local(hooks=Porter().hooks) as server:
        async with dialled(server, path, "Cookie: mallory") as raw:
            if path == "/rooms/demo":
                assert raw.status.startswith("HTTP/1.1 403")
            else:
                assert (await raw.messages("denied"))[0].reason == "mallory may not come in"
                assert await raw.close_code() == 4403


async def test_who_leaves_while_it_is_asked_leaves_nothing_behind() -> None:
    porter = Porter()
    async with local(hooks=porter.hooks) as server:
        porter.may_answer.clear()
        async with dialled(server, None) as raw:
            raw.writer.write(handshake("/yjs/demo/notes"))
            await porter.asked.wait()
            raw.writer.transport.abort()
        porter.may_answer.set()
        await gone(server)

        assert server.rooms.count == 0


async def test_what_comes_right_behind_the_handshake_is_not_lost() -> None:
    porter = Porter()
    async with local(hooks=porter.hooks) as server:
        async with dialled(server, "/yjs/demo/notes", "Cookie: ann") as raw:
            await raw.send(frame(wire.step1()) + frame(wire.step1()))

            assert [each.kind for each in await raw.messages("step1")][:1] == ["step2"]
