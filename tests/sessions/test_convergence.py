"""
Whatever people do to one document, and however they come and go, they end with the same one.

Clients of two implementations edit, leave, come back, and repeat what they recorded in another
order; once all are back, content and state vectors are equal everywhere. A failing example is
printed with what reproduces it.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pycrdt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import wire
from tests.support.editor import Editor
from tests.support.raw import joined
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.node import NodeClient, NodeDriver

TEXTS, MAPS = ["text"], ["map"]
LETTERS = "abcdefg \u00e4\u4e2d\n"


# -- what a client does


@dataclass(frozen=True)
class Insert:
    place: float
    text: str


@dataclass(frozen=True)
class Delete:
    place: float
    length: int


@dataclass(frozen=True)
class Format:
    place: float
    length: int
    bold: bool | None


@dataclass(frozen=True)
class Put:
    key: str
    value: int


@dataclass(frozen=True)
class Remove:
    key: str


@dataclass(frozen=True)
class Leave:
    pass


@dataclass(frozen=True)
class Return:
    pass


@dataclass(frozen=True)
class Repeat:
    """Somebody sends updates that were recorded, in another order and more than once."""

    seed: int


Step = Insert | Delete | Format | Put | Remove | Leave | Return | Repeat

places = st.floats(0, 1)
keys = st.sampled_from(["a", "b", "c"])
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Insert, places, st.text(LETTERS, min_size=1, max_size=6)),
    st.builds(Insert, places, st.text(LETTERS, min_size=1, max_size=2)),
    st.builds(Delete, places, st.integers(1, 4)),
    st.builds(Format, places, st.integers(1, 5), st.sampled_from([True, None])),
    st.builds(Put, keys, st.integers(0, 9)),
    st.builds(Remove, keys),
    st.just(Leave()),
    st.just(Return()),
    st.builds(Repeat, st.integers(0, 2**16)),
)


class Person(Protocol):
    """A client of either implementation."""

    async def do(self, step: Step) -> None: ...
    async def come_back(self) -> None: ...
    async def mark(self, key: str) -> None: ...
    async def has_marks(self, count: int) -> None: ...
    async def content(self) -> dict[str, Any]: ...
    async def close(self) -> None: ...


class JavaScriptPerson:
    """A provider of y-websocket."""

    def __init__(self, client: NodeClient) -> None:
        self._client = client
        self._is_here = True

    async def do(self, step: Step) -> None:
        length = len(await self._client.text())
        match step:
            case Insert(place, text):
                await self._client.insert(round(place * length), text)
            case Delete(place, count) if length:
                at = min(round(place * length), length - 1)
                await self._client.delete(at, min(count, length - at))
            case Format(place, count, bold) if length:
                at = min(round(place * length), length - 1)
                await self._client.format(at, min(count, length - at), {"bold": bold})
            case Put(key, value):
                await self._client.set(key, value)
            case Remove(key):
                await self._client.unset(key)
            case Leave() if self._is_here:
                self._is_here = False
                await self._client.disconnect()
            case Return():
                await self.come_back()

    async def come_back(self) -> None:
        if not self._is_here:
            self._is_here = True
            await self._client.connect()
        await self._client.synced()
        await self._client.asked()  # what follows comes behind the answer

    async def mark(self, key: str) -> None:
        await self._client.set(key, True, name="marks")

    async def has_marks(self, count: int) -> None:
        await self._client.map_has(count, name="marks")

    async def content(self) -> dict[str, Any]:
        content = await self._client.content(texts=TEXTS, maps=MAPS)
        assert not content["pending"]
        return content

    async def close(self) -> None:
        await self._client.close()


class PythonPerson:
    """A pycrdt document, spoken for by hand; Yjs reads what came out of it."""

    def __init__(self, editor: Editor, url: str, node: NodeDriver) -> None:
        self._editor = editor
        self._url = url
        self._node = node

    async def do(self, step: Step) -> None:
        editor = self._editor
        length = len(editor.text())
        match step:
            case Insert(place, text):
                editor.insert(round(place * length), text)
            case Delete(place, count) if length:
                at = min(round(place * length), length - 1)
                editor.delete(at, min(count, length - at))
            case Format(place, count, bold) if length:
                at = min(round(place * length), length - 1)
                editor.format(at, min(count, length - at), {"bold": bold})
            case Put(key, value):
                editor.map_type()[key] = value
            case Remove(key):
                editor.map_type().pop(key, None)
            case Leave():
                await editor.disconnect()
            case Return():
                await self.come_back()
            case Repeat(seed):
                await self._repeat(seed)
        if editor.raw is not None:
            await editor.flush()
            await editor.until(lambda: True)

    async def _repeat(self, seed: int) -> None:
        if self._editor.raw is None or not self._editor.made:
            return
        recorded = self._editor.made[-6:]
        orders = list(itertools.permutations(recorded))
        for update in orders[seed % len(orders)] * 2:
            await self._editor.socket.send(wire.update(update))

    async def come_back(self) -> None:
        if self._editor.raw is None:
            await self._editor.connect(self._url)
        await self._editor.socket.first("step1")
        await self._editor.socket.round_trip()
        await self._editor.until(lambda: True)

    async def mark(self, key: str) -> None:
        self._editor.map_type("marks")[key] = True
        await self._editor.flush()

    async def has_marks(self, count: int) -> None:
        await self._editor.until(lambda: len(self._editor.map("marks")) == count, "all marks")

    async def content(self) -> dict[str, Any]:
        content = await self._node.load(self._editor.doc.get_update(), texts=TEXTS, maps=MAPS)
        assert content["texts"]["text"] == self._editor.text()
        assert content["vector"] == {str(k): v for k, v in self._editor.vector().items()}
        return content

    async def close(self) -> None:
        await self._editor.disconnect()


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("meeting") / "data")
    server.start()
    yield server
    server.close()


# Every example has a document of its own: the names are counted, not random, so a failing
# example fails again.
_numbers = itertools.count()


@given(plan=st.lists(st.tuples(st.integers(0, 3), steps), min_size=5, max_size=40))
@settings(
    max_examples=120,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@pytest.mark.timeout(600)
def test_clients_that_edit_and_come_and_go_end_with_the_same_document(
    meeting: Server, node: NodeDriver, plan: list[tuple[int, Step]]
) -> None:
    asyncio.run(_play(meeting, node, plan))


async def _play(server: Server, node: NodeDriver, plan: list[tuple[int, Step]]) -> None:
    path = f"converge/{next(_numbers)}"
    people = await _gather(server, node, path)
    for who, step in plan:
        await people[who].do(step)

    for person in people:
        await person.come_back()
    for number, person in enumerate(people):
        await person.mark(str(number))
    for person in people:
        await person.has_marks(len(people))
    newcomer = JavaScriptPerson(
        await node.open(server.yjs_url(), path, token=server.token(name="new"))
    )
    await newcomer.come_back()
    await newcomer.has_marks(len(people))

    contents = [await person.content() for person in [*people, newcomer]]
    for person in [*people, newcomer]:
        await person.close()
    assert all(content == contents[0] for content in contents), contents


async def _gather(server: Server, node: NodeDriver, path: str) -> list[Person]:
    """Two JavaScript clients of different versions and two of pycrdt, all synced."""
    people: list[Person] = []
    for version in (3, 4):
        token = server.token(name=f"y-websocket-{version}")
        client = await node.open(server.yjs_url(), path, version=version, token=token)
        await client.synced()
        people.append(JavaScriptPerson(client))
    for name in ("ann", "bob"):
        editor = Editor()
        url = server.document_url(path, server.token(name=name))
        await editor.connect(url)
        people.append(PythonPerson(editor, url, node))
    return people


def _history() -> list[bytes]:
    """Four updates of three writers, each of which needs the one before it."""
    made: list[bytes] = []
    for number, text in enumerate(["one ", "two ", "three ", "four"]):
        writer = Editor(client_id=100 + number % 3)
        for update in made:
            writer.doc.apply_update(update)
        before = len(writer.made)
        writer.insert(len(writer.text()), text)
        made.append(writer.made[before:][-1])
    return made


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_updates_sent_in_any_order_end_in_the_same_document(
    meeting: Server, node: NodeDriver, order: tuple[int, ...]
) -> None:
    history = _history()
    whole: pycrdt.Doc[Any] = pycrdt.Doc()
    for update in history:
        whole.apply_update(update)
    url = meeting.document_url("orders/" + "".join(map(str, order)), meeting.token())
    async with joined(url) as bob, joined(url) as reader:
        await bob.first("step1")
        seen = len(bob.received)
        await bob.send(*(wire.update(history[number]) for number in order))
        await bob.round_trip()

        def questions() -> list[bytes]:
            return [each.payload for each in bob.received[seen:] if each.kind == "step1"]

        if list(order) != sorted(order):  # something was not there yet that another builds on
            await bob.until(lambda: bool(questions()), "a question")
            await bob.send(wire.step2(whole.get_update(questions()[0])))

        await reader.until(lambda: reader.text() == "one two three four", "all four")
        async with joined(url) as newcomer:
            loaded = await node.load(*newcomer.updates(), texts=TEXTS)
            assert loaded["texts"]["text"] == "one two three four"
