"""
Messages that are valid and cost much, while somebody types: what the server needs for one of them
stays within what a person does not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import urllib.request
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from tests.fuzz.attack import Probe
from tests.protocol import craft
from tests.support import wire
from tests.support.again import unless_slow_again
from tests.support.raw import joined

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.support.server import Server

BUSY_S_MAX = 0.25
"""The promise is about 0.1 s; a machine under test is slower than one that serves."""
HONEST, MALLORY = 5, 1_000_000


def at_one_place(count: int) -> bytes:
    """Writers who each insert one character at the beginning, none knowing of another."""
    return craft.update(
        *(craft.section(MALLORY + each, 0, craft.string("x")) for each in range(count))
    )


def tiny_structs(count: int) -> bytes:
    return craft.update(craft.section(MALLORY, 0, *[craft.gc(1)] * count))


def chained(count: int) -> bytes:
    """Structs that each name another client's unit."""
    first = craft.section(MALLORY + 1, 0, craft.string("x"))
    struct = craft.behind(craft.STRING, wire.string("y"), (MALLORY + 1, 0))
    return craft.update(first, craft.section(MALLORY, 0, *[struct] * count))


def values(count: int) -> bytes:
    return craft.update(
        craft.section(MALLORY, 0, craft.in_root(8, wire.varuint(count) + b"\x7e" * count, "list"))
    )


def nested_values(count: int) -> bytes:
    content = b"\x01\x75" + wire.varuint(count) + b"\x75\x00" * count
    return craft.update(craft.section(MALLORY, 0, craft.in_root(8, content, "list")))


def deletions(count: int) -> bytes:
    gone = craft.section(MALLORY, 0, craft.gc(2 * count))
    return craft.update(gone, deletes={MALLORY: [(2 * each, 1) for each in range(count)]})


def json(count: int) -> bytes:
    text = "[" + ",".join(['{"a":1}'] * count) + "]"
    return craft.update(craft.section(MALLORY, 0, craft.in_root(5, wire.string(text), "rich")))


def vector(count: int) -> bytes:
    return wire.varuint(count) + b"".join(
        wire.varuint(MALLORY + each) + b"\x01" for each in range(count)
    )


COSTLY: dict[str, list[bytes]] = {
    "1-KB-at-one-place": [wire.update(at_one_place(80))],
    "64-KB-at-one-place": [wire.update(at_one_place(5_300))],
    "as-many-at-one-place-as-may-be": [wire.update(at_one_place(8_000))],
    "512-KB-at-one-place": [wire.update(at_one_place(43_000))],
    "8-MB-of-tiny-structs": [wire.update(tiny_structs(4_000_000))],
    "as-many-tiny-structs-as-may-be": [wire.update(tiny_structs(39_996))],
    "as-many-references-as-may-be": [wire.update(chained(39_000))],
    "as-many-values-as-may-be": [wire.update(values(159_000))],
    "12-MB-of-values": [wire.update(values(12_000_000))],
    "lists-in-a-list": [wire.update(nested_values(1_000_000))],
    "as-many-deletions-as-may-be": [wire.update(deletions(13_300))],
    "4-MB-of-deletions": [wire.update(deletions(1_000_000))],
    "8-MB-of-JSON": [wire.update(json(1_000_000))],
    "as-long-a-vector-as-may-be": [wire.step1(vector(40_000))],
    "14-MB-of-a-vector": [wire.step1(vector(3_000_000))],
    "a-hundred-vectors-in-one-frame": [wire.step1(vector(30_000)) * 100],
    "hundreds-of-vectors": [wire.step1(vector(5000))] * 200,
}


@pytest.mark.parametrize("name", COSTLY)
async def test_a_costly_message_keeps_nobody_waiting(
    shared_server: Server, room: str, name: str
) -> None:
    async def meet() -> None:
        path = uuid4().hex
        ann_token = shared_server.token(room=room)
        mallory_token = shared_server.token(room=room, name=f"mallory {path}")
        async with (
            joined(shared_server.document_url(path, ann_token, room)) as ann,
            joined(shared_server.document_url(path, mallory_token, room)) as mallory,
        ):
            probe = Probe(ann, shared_server, HONEST)
            await probe.type()
            with contextlib.suppress(ConnectionClosed):  # it may be refused before it is all there
                await mallory.send(*COSTLY[name])

            for _ in range(10):
                await probe.type()
        probe.waits.hold_to(BUSY_S_MAX)

    await unless_slow_again(meet)


@pytest.mark.parametrize(
    "update",
    [
        pytest.param(
            craft.update(craft.section(7, 0, craft.string("R\u00e4ume " * 1_100_000))),
            id="a-paste-of-8-MB",
        ),
        pytest.param(
            craft.update(
                craft.section(
                    7,
                    0,
                    craft.string("h"),
                    *(craft.behind(4, wire.string("e"), (7, each)) for each in range(9_000)),
                )
            ),
            id="a-day-of-work",
        ),
    ],
)
async def test_what_is_large_and_honest_is_taken(
    shared_server: Server, room: str, update: bytes
) -> None:
    token = shared_server.token(room=room)
    async with joined(shared_server.document_url("notes", token, room)) as ann:
        await ann.send(wire.update(update))

        await ann.until(lambda: update in ann.updates(), "the echo")


async def test_who_has_used_up_its_time_is_served_later_and_others_at_once(
    start_server: ServerFactory,
) -> None:
    server = start_server(cpu_share_max=0.02, vector_clients_max=20_000)
    costly = wire.step1(vector(20_000))
    async with (
        joined(server.document_url("notes", server.token())) as ann,
        joined(server.document_url("notes", server.token(name="mallory"))) as mallory,
    ):
        mallory.received.clear()
        await mallory.send(costly, costly, costly)
        await mallory.first("step2")
        await ann.round_trip()
        await mallory.until(lambda: len(mallory.of_kind("step2")) == 3, "all answers")

    metrics = await asyncio.to_thread(_metrics, server)
    rests = re.search(r"^syncroom_rests_total (\S+)$", metrics, re.MULTILINE)
    assert rests is not None
    assert float(rests[1]) > 0


def _metrics(server: Server) -> str:
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        return str(answer.read(), "utf-8")
