"""Content for whoever has no document open: read, changed, deleted, and read without poison."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from syncroom.auth.participant import Participant
from syncroom.contents import Contents
from syncroom.document.compact import compact
from syncroom.document.culprit import read_piece
from syncroom.document.log import EMPTY_UPDATE, merge
from syncroom.errors import Damaged, Denied, LimitExceeded, Malformed, NotFound, Unavailable
from syncroom.limits import Limits
from syncroom.protocol import awareness
from syncroom.protocol.update import read_update
from syncroom.rooms import Rooms
from syncroom.store.base import Generation, Record, Trace
from syncroom.store.memory import MemoryStore
from syncroom.store.quarantine import Quarantine
from syncroom.store.traces import encode_traces
from tests.document.fakes import FakePeer, turn
from tests.protocol import craft
from tests.support.editor import Notebook
from tests.support.poison import poison

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BEN = Participant("id-of-ben", "ben", "user", None, None)


class House:
    """Rooms in memory, and their contents."""

    def __init__(self, folder: Path | None = None, **limits: float) -> None:
        self.store = MemoryStore()
        limits = {"view_cpu_s": 0.2} | limits
        self.rooms = Rooms(self.store, Limits.model_validate(limits))
        self.quarantine = Quarantine(folder)
        self.contents = Contents(self.rooms, self.store, self.quarantine)

    async def write(self, path: str, data: bytes) -> None:
        """Store an update as a client's, one record."""
        document = await self.rooms.room("demo").open(path)
        document.accept(FakePeer(), data, live=False)
        await self.rooms.flush()

    async def put(self, path: str, form: str, text: str, root: str | None = None) -> bool:
        content = await self.contents.take("demo", path, BEN, form, text.encode(), root)
        return bool(content.value)

    async def get(self, path: str, form: str = "json") -> object:
        data = (await self.contents.export("demo", path, form)).value
        return json.loads(data) if form in ("json", "types") else data.decode()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    await house.store.open()
    yield house
    await house.contents.close()


def note(text: str, client_id: int = 1) -> bytes:
    notebook = Notebook(client_id)
    notebook.insert(0, text, "content")
    return notebook.doc.get_update()


# -- reading


async def test_a_document_is_read_in_every_format(house: House) -> None:
    await house.write("notes.md", note("# Hi\n"))

    assert await house.get("notes.md") == {"content": "# Hi\n"}
    assert await house.get("notes.md", "types") == {"content": "text"}
    assert await house.get("notes.md", "text") == "# Hi\n"
    assert await house.get("notes.md", "markdown") == "# Hi\n"
    update = (await house.contents.export("demo", "notes.md", "update")).value
    assert update == note("# Hi\n")


async def test_what_nobody_wrote_is_not_there(house: House) -> None:
    with pytest.raises(NotFound):
        await house.get("notes.md")
    with pytest.raises(NotFound):
        await house.put("notes.md", "patch", "[]")


async def test_formats_that_are_none_are_refused(house: House) -> None:
    with pytest.raises(Malformed, match="none of update, json"):
        await house.get("notes.md", "pdf")
    with pytest.raises(Malformed, match="none of update, json"):
        await house.put("notes.md", "xml", "<p/>")


# -- changing


async def test_a_change_is_relayed_stored_and_recorded_under_who_asked(house: House) -> None:
    await house.write("notes.md", note("hello"))
    peer = FakePeer("cleo")
    document = await house.rooms.room("demo").open("notes.md")
    house.rooms.room("demo").join(document, peer)

    assert await house.put("notes.md", "text", "hello you")

    (update,) = peer.updates()
    stored = await house.store.load("demo", "notes.md")
    assert stored is not None
    assert stored.records[-1].participant == BEN.id
    assert stored.records[-1].updates == (update,)
    assert stored.records[-1].clients == (read_update(update, 64).sections[0].client,)
    assert await house.get("notes.md", "text") == "hello you"


async def test_a_change_to_nothing_new_is_none(house: House) -> None:
    await house.put("notes.md", "text", "hello")

    assert not await house.put("notes.md", "text", "hello")
    assert not await house.put("notes.md", "json", '{"content": "hello"}')


async def test_an_import_goes_on_with_the_history(house: House) -> None:
    await house.put("notes.md", "json", '{"content": "one", "tasks": [1]}')
    first = (await house.contents.export("demo", "notes.md", "update")).incarnation

    await house.put("notes.md", "json", '{"content": "one two", "tasks": [1, 2]}')

    assert await house.get("notes.md") == {"content": "one two", "tasks": [1, 2]}
    assert (await house.contents.export("demo", "notes.md", "update")).incarnation == first


async def test_an_update_is_merged_and_twice_is_once(house: House) -> None:
    data = note("hello")

    first = await house.contents.take("demo", "notes.md", BEN, "update", data, None)
    again = await house.contents.take("demo", "notes.md", BEN, "update", data, None)

    assert (first.value, again.value) == (True, False)
    assert await house.get("notes.md", "text") == "hello"


async def test_an_update_is_vetted_like_everybodys(house: House) -> None:
    gap = craft.update(craft.section(1, 5, craft.string("later")))
    for data, reason in ((b"\xff", "bytes end"), (gap, "builds on")):
        with pytest.raises(Malformed, match=reason):
            await house.contents.take("demo", "notes.md", BEN, "update", data, None)


async def test_an_update_under_the_client_id_of_somebody_who_is_here_is_refused(
    house: House,
) -> None:
    room = house.rooms.room("demo")
    document = await room.open("notes.md")
    ann = FakePeer("ann")
    room.join(document, ann)
    document.present(ann, awareness.encode([awareness.Entry(1, 1, "{}")]))

    with pytest.raises(Denied, match="another participant"):
        await house.contents.take("demo", "notes.md", BEN, "update", note("mine"), None)


async def test_a_document_that_would_be_too_large_is_refused() -> None:
    house = House(document_bytes_max=2000)
    await house.store.open()

    with pytest.raises(LimitExceeded, match="larger than 2000"):
        await house.put("notes.md", "text", "a" * 3000)
    await house.contents.close()


async def test_what_could_not_be_stored_is_said_to_whoever_wrote_it_and_to_nobody_else(
    house: House,
) -> None:
    await house.rooms.room("demo").open("lost")
    await house.store.create("demo", "lost", "f" * 32, Record(1, "", (), (note("stored"),)))

    puts = [house.put("lost", "text", "new"), house.put("other", "text", "kept")]
    lost, other = await asyncio.gather(*puts, return_exceptions=True)

    assert isinstance(lost, Unavailable)
    assert "can't be stored" in str(lost)
    assert other is True


async def test_text_that_is_no_utf8_is_refused(house: House) -> None:
    with pytest.raises(Malformed, match="UTF-8"):
        await house.contents.take("demo", "notes.md", BEN, "text", b"\xff", None)


# -- deleting


async def test_a_deleted_document_sends_its_peers_away_and_begins_anew(house: House) -> None:
    await house.write("notes.md", note("hello"))
    room = house.rooms.room("demo")
    document = await room.open("notes.md")
    peer = FakePeer("cleo")
    room.join(document, peer)

    await house.contents.delete("demo", "notes.md")

    assert [type(each) for each in peer.failures] == [NotFound]
    assert await house.store.load("demo", "notes.md") is None
    again = await room.open("notes.md")
    assert again.whole() == EMPTY_UPDATE
    assert again.incarnation != document.incarnation


async def test_what_is_not_there_can_not_be_deleted(house: House) -> None:
    with pytest.raises(NotFound):
        await house.contents.delete("demo", "notes.md")


async def test_whoever_opens_a_document_while_it_is_deleted_gets_a_new_one(house: House) -> None:
    await house.write("notes.md", note("hello"))
    room = house.rooms.room("demo")
    old = await room.open("notes.md")

    deletion = asyncio.ensure_future(room.delete("notes.md"))
    await turn()
    await turn()
    opened = await room.open("notes.md")

    await deletion
    assert opened.incarnation != old.incarnation
    assert opened.whole() == EMPTY_UPDATE


async def test_deleting_twice_at_once_deletes_once(house: House) -> None:
    await house.write("notes.md", note("hello"))
    room = house.rooms.room("demo")

    await asyncio.gather(room.delete("notes.md"), room.delete("notes.md"))

    assert await house.store.documents("demo") == []


# -- searching


async def test_search_goes_through_the_documents_it_is_given(house: House) -> None:
    await house.write("a.md", note("find me"))
    await house.write("b.md", note("nothing"))

    found = await house.contents.search("demo", ["a.md", "b.md"], "find", is_regex=False)

    assert found == {"a.md": {"hits": [{"pointer": "/content", "line": 1, "text": "find me"}]}}


async def test_searching_and_reading_open_no_document(house: House) -> None:
    for path in ("a.md", "b.md"):
        house.store.append("demo", path, path[0] * 32, Record(1, "", (), (note(f"in {path}"),)))

    found = await house.contents.search("demo", ["a.md", "b.md"], "in", is_regex=False)
    content = await house.contents.export("demo", "a.md", "text")

    assert list(found) == ["a.md", "b.md"]
    assert content[:3] == (b"in a.md", "a" * 32, 0)
    assert house.rooms.open_documents == []
    assert house.rooms.count == 0


async def test_a_stored_document_with_a_hole_is_damaged_and_others_are_searched(
    house: House,
) -> None:
    hole = craft.update(craft.section(1, 5, craft.string("later")))
    house.store.append("demo", "a.md", "a" * 32, Record(1, "", (), (hole,)))
    house.store.append("demo", "b.md", "b" * 32, Record(1, "", (), (note("find me"),)))

    found = await house.contents.search("demo", ["a.md", "b.md"], "find", is_regex=False)

    assert found["a.md"]["error"]["code"] == "damaged"
    assert len(found["b.md"]["hits"]) == 1


async def test_a_search_that_takes_too_long_is_refused(house: House) -> None:
    await house.write("a.md", note("a" * 60))

    with pytest.raises(LimitExceeded, match="processor time"):
        await house.contents.search("demo", ["a.md"], "(a|aa)*b", is_regex=True)
    assert await house.get("a.md", "text") == "a" * 60


# -- poison


async def test_a_poisoned_document_is_read_without_the_poison(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.store.open()
    await house.write("notes.md", note("before "))
    await house.write("notes.md", poison())
    await house.write("notes.md", note("more", client_id=2))
    stored = await house.store.load("demo", "notes.md")

    content = await house.contents.export("demo", "notes.md", "json")

    assert content.quarantined == 1
    assert sorted(json.loads(content.value)["content"]) == sorted("before more")
    (kept,) = Quarantine(tmp_path).of(content.incarnation)
    assert (kept.seq, kept.updates) == (2, (poison().hex(),))
    assert kept.participant == "id-of-ann"
    assert await house.store.load("demo", "notes.md") == stored
    await house.contents.close()


async def test_it_is_known_after_a_restart_and_costs_no_host_again(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.store.open()
    await house.write("notes.md", note("before "))
    await house.write("notes.md", poison())
    await house.get("notes.md")

    again = Contents(house.rooms, house.store, Quarantine(tmp_path))
    content = await again.export("demo", "notes.md", "json")

    assert json.loads(content.value) == {"content": "before "}
    assert again.hosts.died == 0
    await again.close()
    await house.contents.close()


async def test_two_poisons_are_both_found(house: House) -> None:
    for data in (note("before "), poison(7), poison(8)):
        await house.write("notes.md", data)

    content = await house.contents.export("demo", "notes.md", "json")

    assert content.quarantined == 2
    assert json.loads(content.value) == {"content": "before "}


async def test_many_who_ask_at_once_cause_one_search(house: House) -> None:
    await house.write("notes.md", note("before "))
    await house.write("notes.md", poison())

    read = await asyncio.gather(*[house.get("notes.md") for _ in range(3)])

    assert read == [{"content": "before "}] * 3
    assert (
        len(house.quarantine.of((await house.rooms.room("demo").open("notes.md")).incarnation)) == 1
    )


async def test_other_documents_are_read_as_before(house: House) -> None:
    await house.write("bad.md", poison())
    await house.write("good.md", note("good"))

    bad, good = await asyncio.gather(house.get("bad.md"), house.get("good.md"))

    assert (bad, good) == ({}, {"content": "good"})


async def test_a_poisoned_document_is_edited_by_editors_only(house: House) -> None:
    await house.write("notes.md", note("before "))
    await house.write("notes.md", poison())

    with pytest.raises(Damaged, match="quarantine"):
        await house.put("notes.md", "json", '{"content": "x"}')
    more = note("more", client_id=2)
    assert (await house.contents.take("demo", "notes.md", BEN, "update", more, None)).value


async def test_poison_that_was_merged_by_compaction_is_found_all_the_same(house: House) -> None:
    for data in (note("before "), poison()):
        await house.write("notes.md", data)
    stored = await house.store.load("demo", "notes.md")
    assert stored is not None
    base = compact(read_update(merge(stored.updates), 64))
    pieces = [read_piece(record.updates, 64) for record in stored.records]
    traces = encode_traces([Trace(0, "ann", each.written, each.deleted) for each in pieces])
    generation = Generation(0, 2, base, traces)
    assert await house.store.replace("demo", "notes.md", stored.incarnation, generation)

    content = await house.contents.export("demo", "notes.md", "json")

    assert json.loads(content.value) == {"content": "before "}
    assert content.quarantined == 1
