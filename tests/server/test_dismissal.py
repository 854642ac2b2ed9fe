"""Connections to a room that is disabled or deleted, over real sockets."""

from __future__ import annotations

import httpx
import pytest

from tests.server.local import Local, joined, local
from tests.support.raw import refusal


async def _disable(server: Local) -> None:
    room = await server.rooms.catalogue.find("demo")
    await server.rooms.change(room.id, {"is_enabled": False})


async def test_who_is_in_a_room_that_is_disabled_is_told_and_closed_with_4423() -> None:
    async with local() as server, joined(server) as raw, joined(server) as other:
        await _disable(server)

        assert {await raw.close_code(), await other.close_code()} == {4423}


async def test_nobody_comes_into_a_room_that_is_disabled_until_it_is_enabled() -> None:
    async with local() as server:
        room = await server.rooms.catalogue.create("demo", {}, {})
        await server.rooms.change(room.id, {"is_enabled": False})
        url = f"ws://127.0.0.1:{server.port}{server.path()}"

        told, closed = await refusal(url)

        assert closed == (4423, "this room is disabled at present")
        assert [message.kind for message in told] == ["denied"]
        await server.rooms.change(room.id, {"is_enabled": True})
        async with joined(server):
            pass


async def test_a_disabled_room_is_told_of_only_to_who_may_join_it() -> None:
    async with local() as server:
        room = await server.rooms.catalogue.create("demo", {}, {})
        await server.rooms.change(room.id, {"is_enabled": False})
        base = f"ws://127.0.0.1:{server.port}/yjs/demo/notes"

        _, without = await refusal(base)
        _, elsewhere = await refusal(f"{base}?token={server.token(room='other')}")

        assert (without[0], elsewhere[0]) == (4401, 4403)


@pytest.mark.parametrize("path", ["documents", "documents/notes", "search?q=a"])
async def test_documents_of_a_disabled_room_are_not_to_be_had_over_http(path: str) -> None:
    async with local() as server:
        room = await server.rooms.catalogue.create("demo", {}, {})
        await server.rooms.change(room.id, {"is_enabled": False})

        async with httpx.AsyncClient(trust_env=False) as client:
            headers = {"Authorization": f"Bearer {server.token()}"}
            answer = await client.get(f"{server.url}/api/rooms/demo/{path}", headers=headers)

        assert answer.status_code == 423
        assert answer.json()["error"]["code"] == "disabled"


async def test_who_waits_for_a_document_of_a_room_that_is_disabled_meanwhile_is_refused() -> None:
    async with local() as server:
        room = await server.rooms.catalogue.create("demo", {}, {})
        load = server.store.load

        async def disable_meanwhile(name: str, path: str) -> None:
            await server.rooms.change(room.id, {"is_enabled": False})
            assert await load(name, path) is None

        server.store.load = disable_meanwhile  # type: ignore[method-assign,assignment]
        _, closed = await refusal(f"ws://127.0.0.1:{server.port}{server.path()}")

        assert closed[0] == 4423


async def test_who_is_in_a_room_that_is_deleted_is_closed_with_4404() -> None:
    async with local() as server, joined(server) as raw:
        await server.rooms.delete("demo")

        assert await raw.close_code() == 4404
