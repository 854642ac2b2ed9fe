"""Documents that follow a schema: where it comes from, what they begin with, what is kept."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.auth.participant import Participant
from syncroom.auth.scopes import ApiScope
from syncroom.auth.sync_grant import SyncGrant, SyncPathGrant
from syncroom.contents import Contents
from syncroom.document.host import HostDied
from syncroom.document.log import EMPTY_UPDATE
from syncroom.errors import Conflict, Denied, LimitExceeded, Malformed, NotFound, Unavailable
from syncroom.limits import Limits
from syncroom.mesh_documents import MeshDocuments
from syncroom.rooms import Rooms
from syncroom.store.quarantine import Quarantine
from syncroom.store.sqlite import SqliteStore
from tests.document.schemas import TODO, children, element, item, schema, text, todo
from tests.test_contents import House, note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from syncroom.document.document import Document
    from syncroom.document.mesh_schema import MeshSchema

ANN = Participant("id-of-ann", "ann", "user", ApiScope(sync=SyncGrant()), None)
READER = Participant(
    "id-of-rea",
    "rea",
    "user",
    ApiScope(sync=SyncGrant(paths=[SyncPathGrant(path="*", read_only=True)])),
    None,
)
OTHER = schema("page", element("page", parts=children("page")))
CONTENT = todo(item(title="a"), text(("Hello", {"bold": True})), name="List")


class Meshes(House):
    """Documents that follow schemas, in memory."""

    def __init__(self, **limits: float) -> None:
        super().__init__(None, **limits)
        self.files: dict[str, bytes] = {}
        self.documents = MeshDocuments(self.contents, self.rooms)
        self.contents.schemas.readers.insert(0, self.read_file)

    async def read_file(self, room: str, path: str) -> bytes:
        if path not in self.files:
            raise NotFound(path)
        return self.files[path]

    async def open(
        self, path: str = "a.todo", who: Participant = ANN, **options: Any
    ) -> tuple[Document, MeshSchema]:
        return await self.documents.open("demo", path, who, **options)

    async def create(self, path: str = "a.todo", who: Participant = ANN, **options: Any) -> None:
        await self.documents.create("demo", path, who, **options)

    async def describe(self, path: str = "a.todo") -> Any:
        return await self.documents.describe("demo", path)


@pytest.fixture
async def meshes() -> AsyncIterator[Meshes]:
    meshes = Meshes(view_cpu_s=1.0)
    await meshes.store.open()
    yield meshes
    await meshes.contents.close()


# -- how they begin


async def test_a_new_document_begins_with_its_schema_and_content(meshes: Meshes) -> None:
    document, told = await meshes.open(schema=TODO, initial=CONTENT)

    assert told.given == TODO
    assert document.schema == told
    assert await meshes.describe() == CONTENT
    stored = await meshes.store.load("demo", "a.todo")
    assert stored is not None
    assert json.loads(stored.schema) == TODO
    assert {record.participant for record in stored.records} == {ANN.id}


async def test_a_new_document_may_be_empty_and_is_there_all_the_same(meshes: Meshes) -> None:
    await meshes.create(schema=TODO)

    assert await meshes.describe() == todo()
    assert [info.path for info in await meshes.rooms.documents("demo")] == ["a.todo"]
    with pytest.raises(Conflict, match=r"there is a document 'a\.todo' already"):
        await meshes.create(schema=TODO)


async def test_content_that_is_an_empty_root_is_an_empty_document(meshes: Meshes) -> None:
    await meshes.create(schema=TODO, initial=todo())

    assert await meshes.describe() == todo()


async def test_a_document_is_only_made_where_that_is_asked_for(meshes: Meshes) -> None:
    with pytest.raises(NotFound, match=r"no document 'a\.todo'"):
        await meshes.open(create=False, schema=TODO)
    with pytest.raises(NotFound):
        await meshes.describe()

    assert await meshes.rooms.documents("demo") == []


async def test_of_two_that_begin_a_document_at_once_the_first_is_followed(meshes: Meshes) -> None:
    first, second = todo(item(title="a")), todo(item(title="b"))

    openers = [meshes.open(schema=TODO, initial=each) for each in (first, second)]
    (one, _), (other, _) = await asyncio.gather(*openers)

    assert one is other
    assert await meshes.describe() in (first, second)


async def test_of_two_that_create_a_document_at_once_one_is_refused(meshes: Meshes) -> None:
    creations = [meshes.create(schema=TODO, initial=CONTENT) for _ in range(2)]

    outcomes = await asyncio.gather(*creations, return_exceptions=True)

    assert sorted(type(each).__name__ for each in outcomes) == ["Conflict", "NoneType"]


async def test_initial_content_of_a_document_that_is_there_is_passed_over(meshes: Meshes) -> None:
    await meshes.create(schema=TODO, initial=CONTENT)

    await meshes.open(schema=TODO, initial=todo(name="another"))

    assert await meshes.describe() == CONTENT


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schema": {}}, "the schema"),
        ({"schema": TODO, "initial": todo(colour="red")}, "todo: unknown property 'colour'"),
        ({"schema": TODO, "initial": []}, "the content: an element"),
        ({"schema": TODO, "initial": {"todo": {1, 2}}}, "the initial content is no JSON"),
        ({}, r"no schema is known for 'a\.todo': send one, or put one at '\.schemas/todo\.json'"),
    ],
)
async def test_what_can_not_begin_is_refused_and_leaves_nothing(
    meshes: Meshes, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(Malformed, match=message):
        await meshes.create(**options)

    assert await meshes.rooms.documents("demo") == []


async def test_content_may_be_as_large_as_an_update() -> None:
    meshes = Meshes(update_bytes_max=2000)
    await meshes.store.open()

    with pytest.raises(LimitExceeded, match="the initial content has more than 2000 bytes"):
        await meshes.create(schema=TODO, initial=todo(name="a" * 2000))


async def test_content_of_more_parts_than_are_read_at_once_begins_a_document_all_the_same() -> None:
    meshes = Meshes(update_parts_max=100, view_cpu_s=1.0)
    await meshes.store.open()
    content = todo(*(item(title=str(number)) for number in range(200)))

    await meshes.create(schema=TODO, initial=content)

    assert len((await meshes.describe())["todo"]["items"]) == 200
    stored = await meshes.store.load("demo", "a.todo")
    assert stored is not None and stored.schema
    await meshes.contents.close()


async def test_content_that_takes_too_long_to_write_is_refused(
    meshes: Meshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object, **__: object) -> None:
        raise HostDied("it took too long", is_spent=True)

    monkeypatch.setattr(meshes.contents.hosts, "call", die)

    with pytest.raises(LimitExceeded, match="can't be written: it took too long"):
        await meshes.create(schema=TODO, initial=CONTENT)


async def test_who_may_only_read_makes_nothing(meshes: Meshes) -> None:
    with pytest.raises(Denied, match="to make this document"):
        await meshes.open(who=READER, schema=TODO)

    await meshes.create(schema=TODO)
    _, told = await meshes.open(who=READER, schema=OTHER)
    assert told.given == TODO


async def test_the_servers_own_documents_follow_no_schema(meshes: Meshes) -> None:
    with pytest.raises(Denied, match=r"\.room"):
        await meshes.open(".room/participants", schema=TODO)


async def test_nothing_begins_while_the_disk_fails(meshes: Meshes) -> None:
    document, _ = await meshes.open("other.todo", schema=TODO)
    fresh = await meshes.rooms.room("demo").open("a.todo")
    for each in (document, fresh):
        each.set_failure("the disk is full")

    with pytest.raises(Unavailable, match="the disk is full"):
        await meshes.open(schema=TODO)
    with pytest.raises(Unavailable, match="the disk is full"):
        await meshes.open(schema=TODO, initial=CONTENT)

    assert fresh.is_new


# -- where the schema comes from


async def test_the_schema_that_a_document_has_stays(meshes: Meshes) -> None:
    await meshes.create(schema=TODO)

    _, told = await meshes.open(schema=OTHER)

    assert told.given == TODO


async def test_a_schema_that_is_sent_comes_before_the_one_of_the_extension(meshes: Meshes) -> None:
    meshes.files[".schemas/todo.json"] = json.dumps(OTHER).encode()

    _, told = await meshes.open(schema=TODO)

    assert told.given == TODO


async def test_a_file_of_the_room_is_the_schema_of_its_extension(meshes: Meshes) -> None:
    meshes.files[".schemas/todo.json"] = json.dumps(TODO).encode()

    await meshes.create("lists/week 1.v2.todo", initial=CONTENT)

    assert await meshes.describe("lists/week 1.v2.todo") == CONTENT


async def test_a_text_of_the_room_is_the_schema_of_its_extension(meshes: Meshes) -> None:
    await meshes.put(".schemas/todo.json", "text", json.dumps(TODO))

    _, told = await meshes.open()

    assert told.given == TODO


@pytest.mark.parametrize("path", ["todo", ".todo", "a.todo/b", ".schemas/json.json"])
async def test_a_path_without_extension_has_no_schema_of_its_own(meshes: Meshes, path: str) -> None:
    meshes.files[".schemas/todo.json"] = json.dumps(TODO).encode()

    with pytest.raises(Malformed, match="no schema is known"):
        await meshes.open(path)


@pytest.mark.parametrize("data", [b"{", b"\xff", b"[]", b"{}", b"[" * 100_000])
async def test_a_file_that_is_no_schema_is_named(meshes: Meshes, data: bytes) -> None:
    meshes.files[".schemas/todo.json"] = data

    with pytest.raises(Malformed, match=r"'\.schemas/todo\.json' holds no schema"):
        await meshes.open()


# -- documents of editors


async def test_a_document_that_an_editor_began_gets_its_schema_later(meshes: Meshes) -> None:
    await meshes.create("seed.todo", schema=TODO, initial=CONTENT)
    content = await meshes.contents.export("demo", "seed.todo", "update")
    await meshes.write("a.todo", content.value)
    with pytest.raises(Malformed, match="no schema is known"):
        await meshes.describe()

    _, told = await meshes.open(who=READER, schema=TODO)
    with pytest.raises(Malformed, match="no schema is known"):
        await meshes.describe()
    document, _ = await meshes.open(schema=TODO)

    assert told.given == TODO
    assert document.schema is not None
    assert await meshes.describe() == CONTENT


async def test_a_document_of_another_kind_follows_no_schema(meshes: Meshes) -> None:
    await meshes.write("a.todo", note("Hello"))

    with pytest.raises(Conflict, match="another kind, with the root 'content'"):
        await meshes.open(schema=TODO)
    with pytest.raises(Conflict, match="there is a document"):
        await meshes.create(schema=TODO)

    assert await meshes.get("a.todo", "text") == "Hello"


async def test_a_document_without_schema_is_described_by_that_of_its_extension(
    meshes: Meshes,
) -> None:
    await meshes.create("seed.todo", schema=TODO, initial=CONTENT)
    content = await meshes.contents.export("demo", "seed.todo", "update")
    await meshes.write("a.todo", content.value)
    meshes.files[".schemas/todo.json"] = json.dumps(TODO).encode()

    assert await meshes.describe() == CONTENT


# -- content, for REST and the command line


async def test_content_is_read_searched_and_changed_as_json(meshes: Meshes) -> None:
    await meshes.create(schema=TODO, initial=CONTENT)
    patch = [{"op": "add", "path": "/todo/items/0", "value": item(title="new")}]

    assert await meshes.get("a.todo") == CONTENT
    assert await meshes.contents.search("demo", ["a.todo"], "ell", is_regex=False) == {
        "a.todo": {
            "hits": [{"pointer": "/todo/items/1/text/delta/0/insert", "line": 1, "text": "Hello"}]
        }
    }
    assert await meshes.put("a.todo", "patch", json.dumps(patch))
    assert (await meshes.describe())["todo"]["items"][0] == item(title="new")
    assert await meshes.put("a.todo", "json", json.dumps(CONTENT))
    assert await meshes.describe() == CONTENT
    assert not await meshes.put("a.todo", "json", json.dumps(CONTENT))


async def test_a_change_of_several_steps_is_one_record(meshes: Meshes) -> None:
    await meshes.create(schema=TODO, initial=todo(item(title="a"), item(title="b")))
    patch = [
        {"op": "remove", "path": "/todo/items/0"},
        {"op": "add", "path": "/todo/items/-", "value": item(title="c")},
    ]

    await meshes.put("a.todo", "patch", json.dumps(patch))

    stored = await meshes.store.load("demo", "a.todo")
    assert stored is not None
    assert len(stored.records[-1].updates) == 2
    assert await meshes.describe() == todo(item(title="b"), item(title="c"))


async def test_a_change_of_very_many_steps_is_one_update(meshes: Meshes) -> None:
    await meshes.create(schema=TODO, initial=todo(*[item() for _ in range(1001)]))

    await meshes.put("a.todo", "json", json.dumps(todo(*[item(done=True) for _ in range(1001)])))

    stored = await meshes.store.load("demo", "a.todo")
    assert stored is not None
    assert len(stored.records[-1].updates) == 1


async def test_content_that_does_not_fit_is_refused(meshes: Meshes) -> None:
    await meshes.create(schema=TODO, initial=CONTENT)

    with pytest.raises(Malformed, match="'colour'"):
        await meshes.put("a.todo", "json", json.dumps(todo(colour="red")))
    with pytest.raises(Malformed, match="follows a schema: write it as JSON"):
        await meshes.put("a.todo", "text", "Hello")

    assert await meshes.describe() == CONTENT


async def test_what_is_left_out_is_told(meshes: Meshes) -> None:
    await meshes.create(schema=TODO, initial=CONTENT)
    await meshes.create("other.page", schema=OTHER, initial={"page": {"parts": [{"page": {}}]}})
    page = await meshes.contents.export("demo", "other.page", "update")
    await meshes.write("a.todo", page.value)

    content = await meshes.contents.export("demo", "a.todo", "json")

    assert content.left_out == ("todo: the element 'page'",)
    assert json.loads(content.value) == CONTENT


# -- on disk


async def test_schema_and_content_are_there_after_a_restart(tmp_path: Path) -> None:
    for life in range(3):
        store = SqliteStore(tmp_path, commit_pause_s=0.0)
        await store.open()
        rooms = Rooms(store, Limits())
        contents = Contents(rooms, store, Quarantine(None))
        meshes = MeshDocuments(contents, rooms)
        if life == 0:
            await meshes.create("demo", "a.todo", ANN, schema=TODO, initial=CONTENT)
            await meshes.create("demo", "b.todo", ANN, schema=TODO)

        assert await meshes.describe("demo", "a.todo") == CONTENT
        assert await meshes.describe("demo", "b.todo") == todo()
        document, told = await meshes.open("demo", "b.todo", ANN)
        assert told.given == TODO
        assert document.whole() == EMPTY_UPDATE
        assert document.stored_bytes == len(EMPTY_UPDATE)
        await contents.close()
        await rooms.close()
        await store.close()
