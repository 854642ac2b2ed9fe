"""Files of a room: what is uploaded is there whole or not at all, and names lead nowhere else."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from syncroom.apis.files import Files
from syncroom.apis.shelf import Shelf
from syncroom.apis.storage import InvalidPath, Storage, file_path
from syncroom.auth.data_grants import MemoryGrant
from syncroom.auth.scopes import ApiScope
from syncroom.auth.storage_grant import StorageGrant, StoragePathGrant
from syncroom.auth.sync_grant import SyncGrant
from syncroom.errors import Conflict, LimitExceeded, NotFound
from syncroom.limits import Limits
from syncroom.protocol.meshagent import CLOSE, OPEN, binary_content
from syncroom.store.base import DocumentInfo
from syncroom.store.blobs import Blobs
from syncroom.store.memory import MemoryStore
from tests.apis.fakes import Asked, FakeCaller, ask, reserved, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from syncroom.apis.base import Caller
    from syncroom.store.base import Item


def _sign_url(caller: Caller, path: str, is_attachment: bool) -> str:
    return f"{path} {is_attachment}"


class Scene:
    """The storage of a room, which can be thrown away and read again."""

    def __init__(self, folder: Path, **limits: int) -> None:
        self.folder = folder
        self.store = MemoryStore()
        self.limits = Limits.model_validate(limits)
        self.ann, self.bob = FakeCaller("ann"), FakeCaller("bob")
        self.two = self.ann, self.bob
        self.members: dict[str, Caller] = {self.ann.id: self.ann, self.bob.id: self.bob}
        self.documents = {"plans/week.md": b'{"text": "soon"}'}
        self.opened: set[str] = set()
        """Where somebody has a document open."""
        self.ended: list[str] = []
        self.is_deleted = False

    async def open(self) -> None:
        await self.store.open()
        self.again()

    def again(self) -> None:
        """As after a restart."""
        kept = (
            partial(self.store.items, "demo", "storage"),
            self._keep,
        )
        where = self._documents, self.opened.__contains__
        files = Files("demo", Blobs(self.folder), *kept, *where, self.limits)
        shelf = Shelf(files, self, self.members)
        self.storage = Storage(shelf, _sign_url, self.limits.transfer_stalled_s_max)

    async def _keep(self, put: Sequence[Item], drop: Sequence[tuple[str, int]]) -> None:
        if self.is_deleted:
            raise NotFound("the room was deleted")
        await self.store.change_items("demo", "storage", put, drop)

    async def _documents(self, near: str) -> list[DocumentInfo]:
        return [DocumentInfo(path, "0" * 32, 1, 2, 3) for path in self.documents]

    async def read(self, path: str) -> bytes:
        return self.documents[path]

    async def end(self, path: str) -> None:
        del self.documents[path]
        self.ended.append(path)

    async def ask(self, verb: str, caller: FakeCaller | None = None, /, **request: Any) -> Any:
        asked = ask(self.storage, verb, caller or self.ann, request)
        await asked.over.wait()
        return asked.answer.get("code", asked.answer.get("json"))

    async def upload(
        self, path: str, data: bytes, caller: FakeCaller | None = None, **request: Any
    ) -> int | None:
        """Upload in one part; the code of the error, if there is one."""
        who = caller or self.ann
        asked = self.begin(who, "upload", {"kind": "start", "path": path, **request})
        if data:
            asked.call.take(binary_content({"kind": "data"}, data))
        asked.call.take(CLOSE)
        await asked.over.wait()
        return _code(who)

    async def download(self, path: str, caller: FakeCaller | None = None) -> bytes | int:
        who = caller or self.ann
        asked = self.begin(who, "download", {"kind": "start", "path": path, "chunk_size": 3})
        for _ in range(100):
            asked.call.take(binary_content({"kind": "pull"}))
        await asked.over.wait()
        chunks = [each for each in who.sent if "chunk" in each.header]
        data = b"".join(each.payload for each in chunks)
        code = _code(who)
        return data if code is None else code

    def begin(self, caller: FakeCaller, verb: str, headers: dict[str, Any]) -> Asked:
        caller.sent.clear()
        asked = ask(self.storage, verb, caller, OPEN)
        asked.call.take(binary_content(headers))
        return asked

    async def names(self, folder: str = "", caller: FakeCaller | None = None) -> list[str]:
        answer = await self.ask("list", caller, path=folder)
        return [each["name"] + "/" * each["is_folder"] for each in answer["files"]]

    def on_disk(self) -> int:
        return sum(path.is_file() for path in (self.folder / "files").rglob("*"))


def _code(caller: FakeCaller) -> int | None:
    """The code of the error that a stream ended with."""
    chunks = [each.header["chunk"] for each in caller.sent if "chunk" in each.header]
    codes: list[int] = [each["code"] for each in chunks if each["type"] == "error"]
    assert chunks[-1] == CLOSE.header
    caller.sent[:] = [each for each in caller.sent if "chunk" not in each.header]
    return codes[0] if codes else None


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    opened = Scene(tmp_path)
    await opened.open()
    yield opened


async def test_a_file_is_what_was_uploaded_also_after_a_restart(scene: Scene) -> None:
    assert await scene.upload("notes/todo.txt", b"Water the plants", size=16) is None
    assert await scene.upload("empty", b"") is None

    scene.again()

    assert await scene.download("notes/todo.txt") == b"Water the plants"
    assert await scene.download("empty") == b""
    assert await scene.names() == ["empty", "notes/", "plans/"]
    stat = await scene.ask("stat", path="notes/todo.txt")
    assert (stat["name"], stat["size"], stat["is_folder"]) == ("todo.txt", 16, False)


async def test_an_upload_is_asked_for_part_by_part(scene: Scene) -> None:
    asked = scene.begin(scene.ann, "upload", {"kind": "start", "path": "a", "size": 6})
    for part in (b"abc", b"def"):
        pull = await scene.ann.coming.get()
        assert pull.header["chunk"]["headers"]["kind"] == "pull"
        asked.call.take(binary_content({"kind": "data"}, part))
    await asked.over.wait()

    assert await scene.download("a") == b"abcdef"


async def test_who_leaves_while_it_uploads_leaves_nothing(scene: Scene) -> None:
    asked = scene.begin(scene.ann, "upload", {"kind": "start", "path": "a"})
    await scene.ann.coming.get()
    asked.call.take(binary_content({"kind": "data"}, b"half"))
    await scene.ann.coming.get()
    assert scene.on_disk() == 1

    asked.call.abandon()
    await asyncio.wait([it for it in asyncio.all_tasks() if it is not asyncio.current_task()])

    assert scene.on_disk() == 0
    assert await scene.ask("exists", path="a") == {"exists": False}


async def test_a_file_that_is_replaced_is_the_old_or_the_new_one(scene: Scene) -> None:
    await scene.upload("a", b"old")

    assert await scene.upload("a", b"new") == 3005
    assert await scene.download("a") == b"old"
    assert await scene.upload("a", b"too short", size=99, overwrite=True) == 1002
    assert await scene.download("a") == b"old"
    assert await scene.upload("a", b"new", overwrite=True) is None
    assert await scene.download("a") == b"new"
    assert scene.on_disk() == 1


async def test_who_may_read_a_file_hears_what_becomes_of_it(scene: Scene) -> None:
    narrow = StorageGrant(paths=[StoragePathGrant(path="b")])
    scene.bob.participant = FakeCaller("bob", ApiScope(storage=narrow)).participant
    await scene.upload("a", b"1")
    await scene.upload("b", b"2")
    await scene.ask("move", source_path="b", destination_path="c")
    await scene.ask("delete", path="c")

    heard = [(each.kind, dict(each.header)) for each in scene.bob.sent]

    actor = {"participant_id": scene.ann.id}
    assert heard == [
        ("storage.file.updated", {"path": "b", **actor}),
        ("storage.file.moved", {"source_path": "b", "destination_path": "c", **actor}),
    ]


async def test_a_document_is_listed_read_and_ended_like_a_file(scene: Scene) -> None:
    assert await scene.names("plans") == ["week.md"]
    assert await scene.download("plans/week.md") == b'{"text": "soon"}'
    assert await scene.upload("plans/week.md", b"x", overwrite=True) == 3005
    assert await scene.ask("move", source_path="plans/week.md", destination_path="x") == 3005

    assert await scene.ask("delete", path="plans") == 3002
    await scene.ask("delete", path="plans", recursive=True)

    assert scene.ended == ["plans/week.md"]
    assert await scene.names() == []


async def test_what_concerns_a_document_takes_the_right_to_it(scene: Scene) -> None:
    no_sync = FakeCaller("cat", ApiScope(storage=StorageGrant()))
    none_of_it = FakeCaller("dan", ApiScope(storage=StorageGrant(), sync=SyncGrant(paths=[])))

    for caller in (no_sync, none_of_it):
        assert await scene.download("plans/week.md", caller) == 1001
        assert await scene.ask("delete", caller, path="plans", recursive=True) == 1001

    assert scene.ended == []


async def test_a_folder_is_moved_and_deleted_with_what_lies_in_it(scene: Scene) -> None:
    for path in ("a/1", "a/b/2", "c"):
        await scene.upload(path, path.encode())

    await scene.ask("move", source_path="a", destination_path="d/e")
    assert await scene.download("d/e/b/2") == b"a/b/2"
    assert await scene.ask("move", source_path="d", destination_path="d/f") == 3005
    assert await scene.ask("move", source_path="d", destination_path="c") == 3005
    assert await scene.ask("delete", path="d") == 3002
    await scene.ask("delete", path="d", recursive=True)

    assert await scene.names() == ["c", "plans/"]
    assert scene.on_disk() == 1


@pytest.mark.parametrize(
    ("verb", "request_json", "code"),
    [
        ("delete", {"path": "nothing"}, 3001),
        ("move", {"source_path": "nothing", "destination_path": "x"}, 3001),
        ("download_url", {"path": "nothing"}, 3001),
        ("stat", {"path": "../x"}, 3004),
        ("exists", {"path": "a\\b"}, 3004),
        ("list", {"path": "a/./b"}, 3004),
        ("delete", {"path": ".room/participants"}, 3004),
        ("delete", {"path": "/"}, 3004),
        ("delete", {}, 1002),
    ],
)
async def test_what_can_not_be_is_told_by_its_code(
    scene: Scene, verb: str, request_json: dict[str, Any], code: int
) -> None:
    assert await scene.ask(verb, **request_json) == code


async def test_a_folder_that_is_not_there_has_nothing_in_it(scene: Scene) -> None:
    assert await scene.names(".schemas") == []


async def test_only_what_is_granted_is_seen_and_changed(scene: Scene) -> None:
    for path in ("a/1", "b/2", "c"):
        await scene.upload(path, b"x")
    lines = [StoragePathGrant(path="a", read_only=True), StoragePathGrant(path="b")]
    who = FakeCaller("cat", ApiScope(storage=StorageGrant(paths=lines)))

    assert await scene.names("", who) == ["a/", "b/"]
    assert await scene.download("a/1", who) == b"x"
    assert await scene.download("c", who) == 1001
    assert await scene.upload("a/3", b"x", who) == 1001
    assert await scene.upload("b/3", b"x", who) is None
    assert await scene.ask("delete", who, path="a/1") == 1001
    assert await scene.ask("move", who, source_path="a/1", destination_path="b/1") == 1001
    assert await scene.ask("list", who, path="c") == 1001


async def test_without_a_storage_grant_nothing_is_permitted(scene: Scene) -> None:
    who = FakeCaller("cat", ApiScope(memory=MemoryGrant()))

    assert await scene.ask("list", who, path="") == 1001
    assert await scene.ask("exists", who, path="a") == 1001


async def test_files_have_bounds(tmp_path: Path) -> None:
    scene = Scene(tmp_path, file_bytes_max=10, room_files_bytes_max=15, room_files_max=3)
    await scene.open()

    assert await scene.upload("a", b"x" * 11) == 1002
    assert await scene.upload("a", b"x" * 10) is None
    assert await scene.upload("b", b"x" * 6) == 1002
    assert await scene.upload("a", b"y" * 9, overwrite=True) is None
    assert await scene.upload("b", b"x" * 6) is None
    assert await scene.upload("c", b"") is None
    assert await scene.upload("d", b"") == 1002
    assert scene.on_disk() == 3


async def test_nothing_is_put_where_somebody_has_a_new_document_open(scene: Scene) -> None:
    scene.opened.add("drafts")

    assert await scene.upload("drafts", b"x") == 3005
    assert await scene.upload("drafts/a", b"x") == 3005
    scene.opened.clear()
    assert await scene.upload("drafts", b"x") is None


async def test_of_two_uploads_to_one_path_one_is_kept(scene: Scene) -> None:
    both = [(who, scene.begin(who, "upload", {"kind": "start", "path": "a"})) for who in scene.two]
    for who, asked in both:
        await who.coming.get()
        asked.call.take(binary_content({"kind": "data"}, who.id.encode()))
        asked.call.take(CLOSE)
    for _, asked in both:
        await asked.over.wait()

    assert sorted(map(str, [_code(who) for who in scene.two])) == ["3005", "None"]
    assert scene.on_disk() == 1


async def test_uploads_at_one_time_stay_within_the_bounds_together(tmp_path: Path) -> None:
    scene = Scene(tmp_path, room_files_bytes_max=15)
    await scene.open()
    both = [
        (who, scene.begin(who, "upload", {"kind": "start", "path": who.id})) for who in scene.two
    ]
    for who, asked in both:
        await who.coming.get()
        asked.call.take(binary_content({"kind": "data"}, b"x" * 10))
        asked.call.take(CLOSE)
    for _, asked in both:
        await asked.over.wait()

    assert sorted(map(str, [_code(who) for who in scene.two])) == ["1002", "None"]
    assert scene.on_disk() == 1


async def test_who_leaves_as_its_file_is_stored_leaves_it_whole(scene: Scene) -> None:
    files = scene.storage.shelf.files
    await files.check_free("a", overwrite=False)
    async with files.blobs.writer("demo") as writer:
        await writer.write(b"x")
        blob = await writer.commit()
    putting = asyncio.create_task(files.put("a", blob, 1))
    await asyncio.sleep(0)
    putting.cancel()
    await asyncio.wait([it for it in asyncio.all_tasks() if it is not asyncio.current_task()])

    assert await scene.download("a") == b"x"
    scene.again()
    assert await scene.download("a") == b"x"


async def test_a_folder_takes_the_place_of_nothing_and_counts(tmp_path: Path) -> None:
    scene = Scene(tmp_path, room_files_max=2)
    await scene.open()
    files = scene.storage.shelf.files
    await scene.upload("a", b"x")

    with pytest.raises(Conflict):
        await files.make_folder("a")
    await files.make_folder("b")
    with pytest.raises(LimitExceeded):
        await files.make_folder("c")

    assert await scene.download("a") == b"x"


async def test_a_file_is_read_to_its_end_also_when_it_is_deleted_meanwhile(scene: Scene) -> None:
    await scene.upload("a", b"content")
    files = scene.storage.shelf.files

    async with files.reading("a") as (_, source):
        await files.delete("a", recursive=False)
        content = await source.read()

    assert content == b"content"


async def test_bytes_that_are_gone_are_told(scene: Scene) -> None:
    await scene.upload("a", b"content")
    for path in (scene.folder / "files").glob("*/*"):
        path.unlink()

    assert await scene.download("a") == 1008


async def test_a_file_that_lost_its_end_is_told(scene: Scene) -> None:
    await scene.upload("a", b"content")
    for path in (scene.folder / "files").glob("*/*"):
        path.write_bytes(b"con")

    assert await scene.download("a") == 1008


async def test_what_is_moved_can_still_be_named_and_is_called_as_its_path_says(
    scene: Scene,
) -> None:
    await scene.upload("a/" + "b" * 200, b"x")
    await scene.upload("c.txt", b"x")

    assert await scene.ask("move", source_path="a", destination_path="d" * 900) == 1002
    await scene.ask("move", source_path="c.txt", destination_path="d.txt")

    file = await scene.storage.shelf.files.find("d.txt")
    assert file is not None
    assert file.name == "d.txt"


async def test_a_type_that_no_header_can_hold_is_refused(scene: Scene) -> None:
    for mime_type in ("text/html\r\nSet-Cookie: a=1", "text/\u2028", "text"):
        assert await scene.upload("a", b"x", mime_type=mime_type) == 1002
    assert await scene.upload("a", b"x", mime_type="text/html; charset=utf-8") is None


async def test_nothing_is_put_into_a_room_that_was_deleted(scene: Scene) -> None:
    scene.is_deleted = True

    assert await scene.upload("a", b"x") == 3001
    assert scene.on_disk() == 0


async def test_what_a_killed_server_left_is_swept_away(scene: Scene) -> None:
    await scene.upload("a", b"kept")
    [blob] = [path for path in (scene.folder / "files").rglob("*") if path.is_file()]
    (blob.parent / "0123.part").write_bytes(b"half")
    (blob.parent / "4567").write_bytes(b"whole, and in no catalogue")

    scene.again()

    assert await scene.download("a") == b"kept"
    assert scene.on_disk() == 1


_NAMES = st.text(max_size=40) | st.lists(
    st.sampled_from(
        ["..", ".", "a", "", "~", "%2e%2e", "\u2024\u2024", "CON", "a\0b", "\\", "é", "e\u0301"]
    ),
    max_size=6,
).map("/".join)


@given(_NAMES)
def test_a_path_is_refused_or_has_one_spelling_that_leads_nowhere_else(name: str) -> None:
    try:
        path = file_path(name)
    except InvalidPath:
        return

    assert file_path(path) == path
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert "\0" not in path


@given(_NAMES)
async def test_no_name_becomes_a_name_on_the_disk(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("data")
    scene = Scene(folder / "inner")
    await scene.open()

    await scene.upload(name, b"x")

    outside = [path for path in folder.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(folder / "inner" / "files") for path in outside)
    assert all(len(path.name) == 32 and path.name.isalnum() for path in outside)


async def test_who_watches_sees_the_files_as_they_come_and_go(scene: Scene) -> None:
    await scene.upload("a", b"x")
    scene.again()
    document = reserved(".room/files")
    scene.storage.shelf.files.map.watch(document)
    await scene.ask("exists", path="a")
    assert list(shown(document, "files")) == ["a"]

    await scene.upload("b", b"xy")
    await scene.ask("delete", path="a")

    assert {key: entry["size"] for key, entry in shown(document, "files").items()} == {"b": 2}
