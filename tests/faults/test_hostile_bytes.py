"""
A permitted writer sends what breaks implementations, while an honest one types.

The server lives, the honest writer is not disturbed, memory stays flat, the attacker is answered,
and the document can be loaded afterwards, by this server and by others.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from typing import TYPE_CHECKING, Any

import pycrdt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support import child, wire
from tests.support.corpus import VICTIM, Case, cases
from tests.support.editor import Editor
from tests.support.raw import RawClient, joined
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.conftest import ServerFactory
    from tests.support.node import NodeDriver

MEMORY_GROWTH_MAX = 64 << 20
CLOSED_FOR_BYTES = {1002, 1007, 1009}
MALLORY = 7

SENDINGS = [
    pytest.param(case, way, id=f"{case.name.removesuffix('.bin')}-as-{way.replace(' ', '')}")
    for case in cases()
    for way in case.frames()
]
VALUES = [0, 1, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**64 - 1]


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("besieged") / "data", refusal_s=0.01, refusal_growth=1)
    server.start()
    yield server
    server.close()


class Siege:
    """A document with an honest writer, somebody who reads along, and an attacker."""

    def __init__(self, ann: Editor, reader: RawClient, mallory: RawClient) -> None:
        self.ann = ann
        self.reader = reader
        self.mallory = mallory

    async def types(self, text: str) -> None:
        """The honest writer types, and the reader reads it."""
        self.ann.insert(len(self.ann.text()), text)
        await self.ann.flush()
        await self.ann.until_acknowledged()
        written = self.ann.text()
        await self.reader.until(lambda: self.reader.text() == written, f"{written!r}")

    async def answered(self, seen: int) -> str:
        """What the attacker is told: ``denied``, ``closed``, or ``asked`` for what is missing."""

        def kinds() -> set[str]:
            return {message.kind for message in self.mallory.received[seen:]}

        mallory = self.mallory
        await mallory.until(
            lambda: bool(kinds() & {"denied", "step1"}) or mallory.is_closed, "any answer"
        )
        if "denied" in kinds():
            return "denied"
        if mallory.is_closed:
            assert mallory.socket.close_code in CLOSED_FOR_BYTES
            return "closed"
        return "asked"


@contextlib.asynccontextmanager
async def siege(server: Server, room: str, path: str) -> AsyncIterator[Siege]:
    url = server.document_url(path, server.token(room=room), room)
    ann = Editor(client_id=VICTIM)
    async with contextlib.AsyncExitStack() as stack:
        await ann.connect(url)
        stack.push_async_callback(ann.disconnect)
        reader = await stack.enter_async_context(joined(url))
        mallory_url = server.document_url(path, server.token(room=room, name="mallory"), room)
        mallory = await stack.enter_async_context(joined(mallory_url))
        await mallory.first("step1")
        yield Siege(ann, reader, mallory)


async def attack(url: str, frame: bytes) -> None:
    """Send one frame, and wait until the server has dealt with it."""
    async with joined(url) as mallory:
        seen = len(mallory.received)
        await mallory.send(frame + wire.step1())
        await mallory.until(
            lambda: mallory.is_closed or any(m.kind == "step2" for m in mallory.received[seen:]),
            "an answer",
        )


@pytest.mark.parametrize(("case", "way"), SENDINGS)
async def test_an_attack_is_answered_and_disturbs_nobody(
    besieged: Server, room: str, case: Case, way: str
) -> None:
    async with siege(besieged, room, "attacked") as scene:
        await scene.types("before, ")
        seen = len(scene.mallory.received)

        await scene.mallory.send(case.frames()[way])

        await scene.types("after")
        assert scene.reader.text() == "before, after"
        if case.answer == "refused":
            assert await scene.answered(seen) in ("denied", "closed")
        elif case.answer == "asked" and way == "update":
            assert await scene.answered(seen) == "asked"
        elif case.answer == "foreign" and way == "update":
            assert await scene.answered(seen) == "denied"
    assert besieged.is_alive(), besieged.logs()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize(("case", "way"), SENDINGS)
async def test_an_attack_takes_no_memory(besieged: Server, room: str, case: Case, way: str) -> None:
    async with siege(besieged, room, "attacked") as scene:
        await scene.types("before, ")
        besieged.forget_peak()
        before = besieged.peak_memory()

        await scene.mallory.send(case.frames()[way])
        await scene.types("after")

        assert besieged.peak_memory() - before < MEMORY_GROWTH_MAX


async def test_attacked_documents_reload_here_in_pycrdt_and_in_yjs(
    start_server: ServerFactory, node: NodeDriver
) -> None:
    server = start_server(refusal_s=0.01, refusal_growth=1)
    ann_token, mallory_token = server.token(), server.token(name="mallory")
    for number, case in enumerate(cases()):
        ann = Editor(client_id=VICTIM)
        await ann.connect(server.document_url(f"attacked/{number}", ann_token))
        ann.insert(0, "before, ")
        await ann.flush()
        await ann.until_acknowledged()
        for frame in case.frames().values():
            await attack(server.document_url(f"attacked/{number}", mallory_token), frame)
        ann.insert(8, "after")
        await ann.flush()
        await ann.until_acknowledged()
        await ann.disconnect()

    await asyncio.to_thread(server.restart)

    stored = []
    for number, case in enumerate(cases()):
        async with joined(server.document_url(f"attacked/{number}", ann_token)) as newcomer:
            stored.append(newcomer.of_kind("step2")[0].payload)
        by_yjs = await node.load(stored[-1], texts=["text"])
        assert by_yjs["texts"]["text"] == "before, after", case.name
        assert not by_yjs["pending"], case.name
    texts = await asyncio.to_thread(child.read_texts, stored)
    assert texts == ["before, after"] * len(cases())


# -- attacks that are too large or too varied for files


async def test_a_text_frame_is_answered_and_disturbs_nobody(besieged: Server, room: str) -> None:
    async with siege(besieged, room, "attacked") as scene:
        await scene.mallory.socket.send("text")

        await scene.types("after")
        assert (await scene.mallory.closed())[0] == 1003 or scene.mallory.of_kind("denied")


async def test_a_frame_beyond_the_limit_is_told_and_closed_with_1009(
    besieged: Server, room: str
) -> None:
    async with siege(besieged, room, "attacked") as scene:
        with contextlib.suppress(ConnectionClosed):
            # The answer may come while the rest is still being sent.
            await scene.mallory.send(wire.update(bytes(17 << 20)))

        code, _ = await scene.mallory.closed()
        assert code == 1009
        await scene.types("after")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
async def test_a_compression_bomb_takes_no_memory(besieged: Server, room: str) -> None:
    token = besieged.token(room=room)
    url = besieged.document_url("attacked", token, room)
    besieged.forget_peak()
    before = besieged.peak_memory()
    async with connect(url, compression="deflate", max_size=None, proxy=None) as mallory:
        # Where compression was not agreed on, the message is as long as it looks.
        await mallory.send(bytes(200 << 20) if mallory.protocol.extensions else b"\x00\x09")
        await mallory.wait_closed()

    assert besieged.peak_memory() - before < MEMORY_GROWTH_MAX
    async with joined(url):
        pass


async def test_a_large_update_is_taken_while_another_types(besieged: Server, room: str) -> None:
    pasted = Editor(client_id=MALLORY)
    pasted.insert(0, "0123456789 " * 250_000, name="paste")
    async with siege(besieged, room, "attacked") as scene:
        await scene.types("before, ")
        seen = len(scene.mallory.received)

        await scene.mallory.send(wire.update(pasted.made[0]))
        await scene.types("after")

        await scene.mallory.first("update", after=seen)
        assert scene.mallory.of_kind("denied") == []


async def test_thousands_of_writers_at_one_place_are_taken_while_another_types(
    besieged: Server, room: str
) -> None:
    sections = [
        wire.varuint(1)
        + wire.varuint(client)
        + b"\x00\x04\x01"
        + wire.string("list")
        + wire.string("x")
        for client in range(1_000_000, 1_008_000)
    ]
    crowded = wire.varuint(len(sections)) + b"".join(sections) + b"\x00"
    async with siege(besieged, room, "attacked") as scene:
        await scene.types("before, ")

        await scene.mallory.send(wire.update(crowded))
        await scene.types("after")

        assert scene.reader.text() == "before, after"


async def test_types_nested_beyond_reason_leave_the_document_loadable(
    server: Server, node: NodeDriver
) -> None:
    depth = 32_800
    structs = [b"\x07\x01" + wire.string("tree") + b"\x00"]
    structs += [
        b"\x07\x00" + wire.varuint(MALLORY) + wire.varuint(clock) + b"\x00"
        for clock in range(depth)
    ]
    nested = (
        b"\x01" + wire.varuint(len(structs)) + wire.varuint(MALLORY) + b"\x00" + b"".join(structs)
    )
    root_deleted = b"\x01" + wire.varuint(MALLORY) + b"\x01\x00\x01"
    # Nobody here reads with pycrdt: where the attack succeeds, it ends the process of who does.
    ann = await node.open(server.yjs_url(), "attacked", token=server.token())
    await ann.synced()
    await ann.insert(0, "before, ")
    mallory = server.document_url("attacked", server.token(name="mallory"))
    await attack(mallory, wire.update(nested + root_deleted))
    await ann.insert(8, "after")
    bob = await node.open(server.yjs_url(), "attacked", token=server.token())
    await bob.text_is("before, after")
    await ann.close()
    await bob.close()
    await asyncio.to_thread(server.restart)

    async with joined(server.document_url("attacked", server.token())) as newcomer:
        stored = newcomer.of_kind("step2")[0].payload
    by_yjs = await node.load(stored, texts=["text"])
    assert by_yjs["texts"]["text"] == "before, after"
    assert await asyncio.to_thread(child.read_text, stored) == "before, after"


async def test_a_hundred_thousand_invented_clients_are_shown_to_nobody(
    besieged: Server, room: str
) -> None:
    invented = wire.awareness(*(wire.State(number, 1, {}) for number in range(100, 100_100)))
    async with siege(besieged, room, "attacked") as scene:
        await scene.mallory.send(invented)
        await scene.types("after")

        url = besieged.document_url("attacked", besieged.token(room=room), room)
        async with joined(url) as newcomer:
            await newcomer.round_trip()
            assert len(newcomer.present()) <= 1


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("kind", ["update", "vector", "awareness"])
async def test_any_number_in_a_message_may_be_any_number(
    besieged: Server, room: str, kind: str, value: int
) -> None:
    number = wire.varuint(value)
    good = {
        "update": [b"\x01", b"\x01", b"\x07", b"\x00", b"\x04\x01\x01t", b"\x01", b"x", b"\x00"],
        "vector": [b"\x01", b"\x07", b"\x01"],
        "awareness": [b"\x01", b"\x07", b"\x01", b"\x02", b"{}"],
    }[kind]
    pack: dict[str, Callable[[bytes], bytes]] = {
        "update": wire.update,
        "vector": wire.step1,
        "awareness": wire.awareness_payload,
    }
    async with siege(besieged, room, "attacked") as scene:
        await scene.types("before, ")
        token = besieged.token(room=room, name="mallory")
        for place in range(len(good)):
            payload = b"".join([*good[:place], number, *good[place + 1 :]])
            url = besieged.document_url("attacked", token, room)
            await attack(url, pack[kind](payload))

        await scene.types("after")

        assert scene.reader.text() == "before, after"
    assert besieged.is_alive(), besieged.logs()


@pytest.mark.parametrize("seed", range(4))
async def test_mutated_updates_leave_a_document_that_loads(
    besieged: Server, room: str, node: NodeDriver, seed: int
) -> None:
    rng = random.Random(seed)
    async with siege(besieged, room, "attacked") as scene:
        await scene.types("before, ")
        token = besieged.token(room=room, name="mallory")
        url = besieged.document_url("attacked", token, room)
        for _ in range(300):
            await attack(url, wire.update(_mutated(rng)))
        await scene.types("after")

        async with joined(url) as newcomer:
            stored = newcomer.of_kind("step2")[0].payload
        by_yjs = await node.load(stored, texts=["text"])
        assert not by_yjs["pending"]
        assert "before, " in by_yjs["texts"]["text"]
        await asyncio.to_thread(child.read_text, stored)


def _mutated(rng: random.Random) -> bytes:
    """An honest update of a new client, with a few bytes changed, cut, doubled or invented."""
    writer = Editor(client_id=rng.randrange(100, 2**32))
    writer.insert(0, rng.choice(["x", "hello", "R\u00e4ume", "\u4e2d\u6587"]), name="other")
    writer.map_type("other map")[rng.choice("abc")] = [rng.random(), {"k": None}]
    writer.format(0, 1, {"bold": True}, name="other")
    changed = bytearray(rng.choice([*writer.made, writer.doc.get_update()]))
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(changed))
        how = rng.randrange(4)
        if how == 0:
            changed[place] = rng.randrange(256)
        elif how == 1:
            changed[place] ^= 1 << rng.randrange(8)
        elif how == 2:
            changed[place:place] = changed[place : place + rng.randint(1, 8)]
        elif len(changed) > 1:
            del changed[place]
    return bytes(changed)


# -- two clients under one id


async def test_who_writes_under_the_id_of_a_live_client_is_told_and_ignored(
    besieged: Server, room: str
) -> None:
    forger = Editor(client_id=VICTIM)
    forger.insert(0, "forged")
    async with siege(besieged, room, "attacked") as scene:
        await scene.types("mine")

        await scene.mallory.send(wire.update(forger.made[0]))

        await scene.mallory.first("denied")
        await scene.types(" alone")
        assert scene.reader.text() == "mine alone"


async def test_what_the_server_lost_of_an_absent_writer_anybody_may_bring_back(
    besieged: Server, room: str
) -> None:
    absent = Editor()
    absent.insert(0, "found again")
    url = besieged.document_url("notes", besieged.token(room=room, name="bob"), room)
    async with joined(url) as bob, joined(url) as reader:
        await bob.send(wire.step2(absent.doc.get_update()))

        await reader.until(lambda: reader.text() == "found again", "the text")


# -- honest, and yet breaking others


async def test_half_an_emoji_deleted_is_read_alike_by_all_after_a_restart(
    server: Server, node: NodeDriver
) -> None:
    token = server.token()
    ann = await node.open(server.yjs_url(), "notes", token=token)
    bob = await node.open(server.yjs_url(), "notes", token=token)
    await ann.synced()
    await bob.synced()
    await ann.insert(0, "a\U0001f600b\U0001f600c")
    await ann.set("unrelated", {"nested": [1]})
    await bob.map_has(1)
    await ann.delete(1, 1)
    await ann.delete(4, 1)
    expected = await ann.content(texts=["text"], maps=["map"])
    await bob.text_is(expected["texts"]["text"])
    await ann.close()
    await bob.close()

    await asyncio.to_thread(server.restart)

    cid = await node.open(server.yjs_url(), "notes", token=token)
    await cid.synced()
    assert await cid.content(texts=["text"], maps=["map"]) == expected
    await cid.insert(0, "still writable: ")
    async with joined(server.document_url("notes", token)) as newcomer:
        await newcomer.until(lambda: _starts(newcomer.updates(), "still"), "the new text")
        stored = newcomer.of_kind("step2")[0].payload
        await asyncio.to_thread(child.read_text, stored)
    await cid.close()


def _starts(updates: list[bytes], text: str) -> bool:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    for update in updates:
        document.apply_update(update)
    return str(document.get("text", type=pycrdt.Text)).startswith(text)
