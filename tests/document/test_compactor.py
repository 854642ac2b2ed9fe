"""Compaction in the background: open documents go on, failures leave everything as it was."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from syncroom.document.compactor import Compactor
from syncroom.document.document import Document
from syncroom.document.turns import Turns
from syncroom.errors import Unavailable
from syncroom.limits import Limits
from syncroom.metrics import Metrics
from syncroom.protocol.update import read_update
from syncroom.store.base import Record
from syncroom.store.memory import MemoryStore
from tests.document.fakes import WIRE, FakePeer
from tests.protocol import craft
from tests.support import wire
from tests.support.poison import poison

if TYPE_CHECKING:
    import pytest

    from syncroom.store.base import Generation

INCARNATION = "0" * 32
LIMITS = Limits()


class GatedStore(MemoryStore):
    """A store whose generations wait, or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.may_replace = asyncio.Event()
        self.may_replace.set()
        self.is_asked = asyncio.Event()
        self.fails = False

    async def replace(self, room: str, path: str, incarnation: str, generation: Generation) -> bool:
        self.is_asked.set()
        await self.may_replace.wait()
        if self.fails:
            raise Unavailable("disk I/O error")
        return await super().replace(room, path, incarnation, generation)


class Scene:
    """One document that is open, its store, and the compactor of both."""

    def __init__(self, store: GatedStore, limits: Limits) -> None:
        self.store = store
        self.is_open = True
        self.document = Document(
            "notes",
            INCARNATION,
            keep=self.keep,
            limits=limits,
            metrics=Metrics(),
            turns=Turns(asyncio.get_running_loop()),
            now_ms=lambda: 1,
        )
        self.compactor = Compactor(store, limits, self.find)
        self.clock = 0

    def keep(self, record: Record, durable: object, schema: str = "") -> None:
        assert callable(durable)
        self.store.append("demo", "notes", INCARNATION, record, durable, schema)

    def find(self, room: str, path: str) -> Document | None:
        return self.document if self.is_open and (room, path) == ("demo", "notes") else None

    def type(self, count: int) -> None:
        """Letters, each a turn and a record of its own."""
        for _ in range(count):
            made = craft.string("a")
            if self.clock:
                made = craft.behind(craft.STRING, b"\1a", (1, self.clock - 1))
            self.document.accept(
                FakePeer(), craft.update(craft.section(1, self.clock, made)), live=True
            )
            self.document.flush()
            self.clock += 1

    async def compact(self) -> None:
        self.compactor.want("demo", "notes")
        await self.compactor.settle()

    def whole(self) -> bytes:
        return wire.messages(self.document.answer(WIRE, b"\0"))[0].payload

    async def stored(self) -> tuple[int, int]:
        """How many records its base stands for, and how many come after it."""
        stored = await self.store.load("demo", "notes")
        assert stored is not None
        return stored.base_seq, len(stored.records)


async def _scene(limits: Limits = LIMITS) -> Scene:
    store = GatedStore()
    await store.open()
    return Scene(store, limits)


def _structs(data: bytes) -> list[tuple[int, int]]:
    return [(section.end, len(section.offsets) - 1) for section in read_update(data, 64).sections]


async def test_an_open_document_goes_on_from_its_base() -> None:
    scene = await _scene()
    scene.type(20)

    await scene.compact()
    size = scene.document.stored_bytes
    scene.type(3)

    assert await scene.stored() == (20, 3)
    assert _structs(scene.whole()) == [(23, 4)]
    assert size == len(craft.update(craft.section(1, 0, craft.string("a" * 20))))
    assert [trace.written for trace in await scene.store.traces("demo", "notes")] == [
        ((1, at, at + 1),) for at in range(20)
    ]


async def test_what_is_written_meanwhile_is_neither_lost_nor_waited_for() -> None:
    scene = await _scene()
    scene.type(20)
    scene.store.may_replace.clear()

    scene.compactor.want("demo", "notes")
    await scene.store.is_asked.wait()
    scene.type(5)
    during = scene.whole()
    scene.store.may_replace.set()
    await scene.compactor.settle()
    scene.type(1)

    assert _structs(during)[0][0] == 25
    assert _structs(scene.whole())[0][0] == 26
    assert await scene.stored() == (20, 6)


async def test_a_document_that_nobody_has_open_is_compacted_in_the_store_alone() -> None:
    scene = await _scene()
    scene.type(20)
    scene.is_open = False

    await scene.compact()

    assert await scene.stored() == (20, 0)


async def test_what_was_compacted_is_compacted_again_with_what_came_since() -> None:
    scene = await _scene()
    for _ in range(3):
        scene.type(5)
        await scene.compact()

    assert await scene.stored() == (15, 0)
    assert _structs(scene.whole()) == [(15, 1)]


async def test_a_document_that_can_not_be_compacted_is_tried_again_when_it_has_changed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = await _scene()
    scene.type(2)
    whole = scene.whole()
    gap = craft.update(craft.section(9, 5, craft.string("a")))
    scene.store.append("demo", "notes", INCARNATION, Record(1, "", (), (gap,)))

    await scene.compact()
    await scene.compact()

    assert caplog.text.count("not compacted") == 1
    assert await scene.stored() == (0, 3)
    assert scene.whole() == whole
    scene.type(1)
    await scene.compact()
    assert caplog.text.count("not compacted") == 2


async def test_a_document_that_takes_too_long_stays_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = await _scene(Limits(compaction_s_max=0.001))
    scene.type(2)

    await scene.compact()

    assert "longer than 0.001 s" in caplog.text
    assert await scene.stored() == (0, 2)


async def test_a_process_that_dies_leaves_the_document_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = await _scene(Limits(compaction_memory_bytes_max=1 << 20))
    scene.type(2)

    await scene.compact()

    assert "ended without a result" in caplog.text
    assert await scene.stored() == (0, 2)
    assert _structs(scene.whole())[0][0] == 2


async def test_what_native_code_reads_without_end_is_left_as_it_is_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = await _scene(Limits(compaction_check_cpu_s=0.1))
    scene.document.accept(FakePeer(), poison(), live=True)

    await scene.compact()
    await scene.compact()

    assert caplog.text.count("does not come to an end") == 1
    assert await scene.stored() == (0, 1)


async def test_a_disk_that_fails_leaves_the_document_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = await _scene()
    scene.type(2)
    scene.store.fails = True

    await scene.compact()

    assert "disk I/O error" in caplog.text
    assert await scene.stored() == (0, 2)
    scene.store.fails = False
    await scene.compact()
    assert await scene.stored() == (2, 0)


async def test_what_nobody_ever_wrote_is_passed_over() -> None:
    scene = await _scene()

    await scene.compact()
    scene.compactor.want("demo", "other")
    await scene.compactor.settle()

    assert await scene.store.load("demo", "notes") is None


async def test_closing_ends_what_is_under_way() -> None:
    scene = await _scene()
    scene.type(2)
    scene.store.may_replace.clear()
    scene.compactor.want("demo", "notes")
    await scene.store.is_asked.wait()
    scene.compactor.want("demo", "other")

    await scene.compactor.close()

    assert await scene.stored() == (0, 2)
    assert _structs(scene.whole())[0][0] == 2


async def test_the_process_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, str]] = []
    start = asyncio.create_subprocess_exec

    async def look(
        *command: str, env: dict[str, str], **options: Any
    ) -> asyncio.subprocess.Process:
        given.append(env)
        return await start(*command, env=env, **options)

    monkeypatch.setenv("SYNCROOM_SECRET", "the secret")
    monkeypatch.setattr(asyncio, "create_subprocess_exec", look)
    scene = await _scene()
    scene.type(2)

    await scene.compact()

    assert [sorted(each) for each in given] == [["PATH", "PYTHONPATH", "RUST_BACKTRACE"]]
    assert "SYNCROOM_SECRET" in os.environ
    assert await scene.stored() == (2, 0)
