"""Updates with too many parts to be read at once: they are taken apart, and all else goes on."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pycrdt
import pytest

from tests.document.schemas import TODO
from tests.fuzz.attack import Probe
from tests.protocol import craft
from tests.server.local import http_client, local
from tests.support import wire
from tests.support.again import unless_slow_again
from tests.support.member import Member
from tests.support.node import VERSIONS
from tests.support.raw import joined

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import ServerFactory
    from tests.support.node import NodeDriver
    from tests.support.raw import RawClient
    from tests.support.server import Server

PARTS = 100
"""More than those are too many here."""
YEAR = craft.woven(5000, 20)
"""What somebody brings from elsewhere."""
ME = 1000
BROKEN = craft.update(craft.section(7, 0, *[craft.gc(1)] * 2000, b"\x1f\x01"))
"""A struct of a kind that there is not, behind many good ones."""


def text_of(*updates: bytes) -> str:
    document = pycrdt.Doc[pycrdt.Text]()
    for update in updates:
        document.apply_update(update)
    return str(document.get("text", type=pycrdt.Text))


def letter(client: int) -> bytes:
    """One written behind the first of somebody's year."""
    return craft.update(craft.section(client, 0, craft.behind(4, wire.string("x"), (3, 0))))


LETTERS = [letter(client) for client in range(1001, 1004)]


async def _echo(client: RawClient, update: bytes) -> None:
    await client.until(lambda: update in client.updates(), "the echo")


@pytest.mark.parametrize("kind", [wire.step2, wire.update], ids=["answered", "live"])
async def test_a_year_of_typing_is_taken_confirmed_and_kept_and_others_get_it(
    start_server: ServerFactory, kind: Callable[[bytes], bytes]
) -> None:
    server = start_server(update_parts_max=PARTS)
    url = server.document_url("notes", server.token())
    async with joined(url) as ann, joined(url) as ben:
        one, two, three = map(wire.update, LETTERS)
        await ann.send(kind(YEAR) + one, two + three)

        await _echo(ann, LETTERS[-1])
        expected = text_of(YEAR, *LETTERS)
        assert len(expected) == 5003
        assert text_of(*ann.updates()[1:]) == expected
        await _echo(ben, LETTERS[-1])
        assert ben.text() == expected
        assert ann.of_kind("denied") == []
    await asyncio.to_thread(server.kill)
    server.start()
    async with joined(url) as cleo:
        assert cleo.text() == expected


async def test_a_provider_brings_what_it_wrote_offline_and_types_on(
    start_server: ServerFactory, node: NodeDriver
) -> None:
    server = start_server(update_parts_max=PARTS)
    token = server.token()
    ann = await node.open(server.yjs_url(), "notes", version=VERSIONS[-1], token=token)
    await ann.synced()
    await ann.disconnect()
    for number in range(300):
        await ann.insert(0, f"{number} ")

    await ann.connect()
    await ann.synced()
    await ann.insert(0, "on ")

    expected = "on " + "".join(f"{number} " for number in reversed(range(300)))
    async with joined(server.document_url("notes", token)) as ben:
        await ben.until(lambda: ben.text() == expected, "all of it")
    await ann.close()


async def test_what_is_not_valid_is_refused_as_ever_and_nothing_of_it_is_taken() -> None:
    async with local(update_parts_max=PARTS) as server:
        url = server.url.replace("http", "ws", 1) + server.path()
        async with joined(url) as ann, joined(url) as ben:
            await ann.send(wire.update(BROKEN))

            told = await ann.first("denied")
            assert "kind 31" in told.reason
            assert (await ann.closed())[0] == 1007
            await ben.round_trip()
            assert ben.updates() == [wire.NOTHING] * 2


async def test_what_takes_too_much_is_refused_with_1009_and_what_to_do() -> None:
    async with local(update_parts_max=PARTS, large_update_memory_bytes_max=1 << 20) as server:
        url = server.url.replace("http", "ws", 1) + server.path()
        async with joined(url) as ann:
            await ann.send(wire.update(YEAR))

            told = await ann.first("denied")
            assert "1 MiB" in told.reason and "several transactions" in told.reason
            assert (await ann.closed())[0] == 1009


async def test_only_so_much_waits_and_who_comes_later_is_told_to_come_again() -> None:
    async with local(update_parts_max=PARTS, large_updates_bytes_max=len(YEAR) - 1) as server:
        url = server.url.replace("http", "ws", 1) + server.path()
        async with joined(url) as ann:
            await ann.send(wire.update(YEAR))

            assert "try again later" in (await ann.first("denied")).reason
            assert (await ann.closed())[0] == 1013


async def test_who_leaves_in_the_midst_makes_room_for_the_next() -> None:
    async with local(update_parts_max=PARTS, large_updates_at_once_max=1) as server:
        url = server.url.replace("http", "ws", 1) + server.path()
        async with joined(url) as ann, joined(url) as ben, joined(url) as cleo:
            await ann.send(wire.step2(YEAR))
            await ben.send(wire.step2(craft.woven(3000, 3)), wire.update(LETTERS[0]))
            await cleo.until(lambda: len(cleo.of_kind("step2")) > 1, "the first part")
            await ann.cut()

            await _echo(ben, LETTERS[0])
        assert server.rooms.large._bytes == 0


async def test_a_full_document_takes_a_part_of_it_and_says_so() -> None:
    async with local(update_parts_max=PARTS, document_bytes_max=len(YEAR) // 2) as server:
        url = server.url.replace("http", "ws", 1) + server.path()
        async with joined(url) as ann:
            await ann.send(wire.step2(YEAR), wire.step1())

            await ann.until(lambda: len(ann.of_kind("step2")) == 2, "the answer")
            assert "as large as it may be" in ann.of_kind("denied")[0].reason
            assert 0 < len(ann.text()) < 5000


async def test_a_stream_of_the_sdks_takes_it_and_goes_on_after_it(
    start_server: ServerFactory,
) -> None:
    server = start_server(update_parts_max=PARTS)
    url = f"{server.ws_url}/rooms/demo?token="
    async with (
        await Member.join(url + server.token()) as ann,
        await Member.join(url + server.token(name="ben")) as ben,
    ):
        for member in (ann, ben):
            await member.open("a.page", "it", schema=TODO)
        await ann.edit("it", YEAR)
        await ann.edit("it", LETTERS[0])

        await ben.until(lambda: LETTERS[0] in ben.updates("it"), "the letter")
        assert text_of(*ben.updates("it")[1:]) == text_of(YEAR, LETTERS[0])


async def test_a_body_of_a_request_is_taken_and_changes_nothing_a_second_time() -> None:
    async with local(update_parts_max=PARTS) as server:
        headers = {"Authorization": f"Bearer {server.token()}"}
        url = "/api/rooms/demo/documents/notes?format=update"
        async with http_client(server) as client:
            first = await client.put(url, headers=headers, content=YEAR)
            second = await client.put(url, headers=headers, content=YEAR)
            whole = await client.get(url, headers=headers)
            gap = craft.update(craft.section(7, 5000, *[craft.gc(1)] * 2000))
            refused = await client.put(url, headers=headers, content=gap)

        assert (first.json()["changed"], second.json()["changed"]) == (True, False)
        assert text_of(whole.content) == text_of(YEAR)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "malformed")
        assert server.rooms.find("demo", "notes") is not None
        assert server.rooms.room("demo").documents["notes"].peers == set()


async def test_an_editor_does_not_notice(shared_server: Server, room: str) -> None:
    """The promise: who types waits 0.1 s at most. A machine under test is slower."""
    await unless_slow_again(partial(_type_beside, shared_server, room))


async def _type_beside(server: Server, room: str) -> None:
    path = uuid4().hex
    ann_url = server.document_url(path, server.token(room=room), room)
    ben_url = server.document_url(path, server.token(room=room, name="ben"), room)
    async with joined(ann_url) as ann, joined(ben_url) as ben:
        probe = Probe(ann, server, ME)
        await probe.type()
        await ben.send(wire.step2(craft.woven(50_000, 100)))

        taken = asyncio.create_task(ben.round_trip())
        while not taken.done():
            await probe.type()

    assert len(probe.text()) > 10
    probe.waits.hold_to(0.25)
