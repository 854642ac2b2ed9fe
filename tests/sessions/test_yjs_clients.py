"""The published providers, unmodified, against a running server: they sync, type, leave, return."""

from __future__ import annotations

import asyncio
import unicodedata
from typing import TYPE_CHECKING

import pytest

from tests.support import wire
from tests.support.editor import Editor, provider
from tests.support.node import VERSIONS
from tests.support.raw import RawClient, joined

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.support.node import NodeDriver
    from tests.support.server import Server

any_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda v: f"y-websocket-{v}")

PATH = "docs/Räume/план.md"


@any_version
async def test_what_a_provider_types_reaches_another_client(
    shared_server: Server, node: NodeDriver, room: str, version: int
) -> None:
    token = shared_server.token(room=room)
    ann = await node.open(shared_server.yjs_url(room), "notes", version=version, token=token)
    async with joined(shared_server.document_url("notes", token, room)) as reader:
        await ann.synced()

        await ann.insert(0, "hello")

        await reader.until(lambda: reader.text() == "hello", "the text")
    await ann.close()


@any_version
async def test_a_provider_reads_what_stood_there_and_what_others_type(
    shared_server: Server, node: NodeDriver, room: str, version: int
) -> None:
    token = shared_server.token(room=room)
    bob = Editor()
    await bob.connect(shared_server.document_url("notes", token, room))
    bob.insert(0, "before ")
    await bob.flush()
    await bob.until_acknowledged()
    ann = await node.open(shared_server.yjs_url(room), "notes", version=version, token=token)
    await ann.synced()
    assert await ann.text() == "before "

    bob.insert(7, "after")
    await bob.flush()

    await ann.text_is("before after")
    await bob.disconnect()
    await ann.close()


async def test_a_pycrdt_provider_and_a_javascript_client_read_each_other(
    shared_server: Server, node: NodeDriver, room: str
) -> None:
    token = shared_server.token(room=room)
    ann = await node.open(shared_server.yjs_url(room), "notes", token=token)
    await ann.synced()
    await ann.insert(0, "from JavaScript")
    await ann.text_is("from JavaScript")
    async with provider(shared_server.document_url("notes", token, room)) as bob:
        await bob.until(lambda: bob.text() == "from JavaScript")

        bob.insert(0, "from Python, ")

        await ann.text_is("from Python, from JavaScript")
    await ann.close()


async def test_all_providers_in_one_document_converge(
    shared_server: Server, node: NodeDriver, room: str
) -> None:
    url, token = shared_server.yjs_url(room), shared_server.token(room=room)
    people = [await node.open(url, PATH, version=version, token=token) for version in VERSIONS]
    for person in people:
        await person.synced()
    async with provider(shared_server.document_url(PATH, token, room)) as python:
        python.insert(0, "[python]")
        for version, person in zip(VERSIONS, people, strict=True):
            await person.insert(0, f"[{version}]")
            await person.set(f"from-{version}", {"nested": [version, None, "ü"]})
            await person.push(version, name="list")
        parts = ["[python]", *(f"[{version}]" for version in VERSIONS)]

        for part in parts:
            for person in people:
                await person.text_holds(part)
        for person in people:
            await person.map_has(len(VERSIONS))
        await python.until(
            lambda: (
                all(part in python.text() for part in parts) and len(python.map()) == len(VERSIONS)
            )
        )
        contents = [
            await person.content(texts=["text"], maps=["map"], arrays=["list"]) for person in people
        ]
        assert all(content == contents[0] for content in contents)
        assert python.text() == contents[0]["texts"]["text"]
        assert {str(k): v for k, v in python.vector().items()} == contents[0]["vector"]
    for person in people:
        await person.close()


async def test_every_shared_type_travels(
    shared_server: Server, node: NodeDriver, room: str
) -> None:
    url, token = shared_server.yjs_url(room), shared_server.token(room=room)
    ann = await node.open(url, "types", token=token)
    await ann.synced()
    await ann.insert(0, "bold", {"bold": True})
    await ann.insert(4, " plain", {"bold": None})
    await ann.set("number", 1.5)
    await ann.push(True, None, {"a": ["b", 2**53 - 1]}, "𝄞")
    await ann.element("p", "a paragraph")
    await ann.subdocument("child", name="children")
    names = {"texts": ["text"], "maps": ["map"], "arrays": ["array"], "fragments": ["xml"]}
    bob = await node.open(url, "types", token=token)

    await bob.synced()
    await bob.map_has(1, name="children")

    assert await bob.content(**names) == await ann.content(**names)
    await ann.close()
    await bob.close()


async def test_a_large_paste_arrives_whole(
    shared_server: Server, node: NodeDriver, room: str
) -> None:
    url, token = shared_server.yjs_url(room), shared_server.token(room=room)
    text = "0123456789abcdef" * (3 << 16)
    ann = await node.open(url, "large", token=token)
    bob = await node.open(url, "large", token=token)
    await ann.synced()
    await bob.synced()

    await ann.insert(0, text)

    await bob.text_is(text)
    await ann.close()
    await bob.close()


# -- where the token may stand


async def test_a_token_may_stand_in_the_query(shared_server: Server, room: str) -> None:
    async with joined(
        shared_server.document_url("a", shared_server.token(room=room), room)
    ) as client:
        assert client.received[0].kind == "step2"


async def test_a_token_may_stand_in_the_authorization_header(
    shared_server: Server, room: str
) -> None:
    url = shared_server.document_url("a", None, room)
    async with await RawClient.open(url, bearer=shared_server.token(room=room)) as client:
        await client.send(wire.step1())

        await client.first("step2")


@pytest.mark.parametrize("prefix", ["syncroom", "meshagent-room"])
async def test_a_token_may_stand_in_the_subprotocol_which_is_echoed(
    shared_server: Server, room: str, prefix: str
) -> None:
    url = shared_server.document_url("a", None, room)
    offered = f"{prefix}.{shared_server.token(room=room)}"

    async with await RawClient.open(url, subprotocols=[offered]) as client:
        await client.send(wire.step1())
        await client.first("step2")
        assert client.socket.subprotocol == offered


async def test_a_provider_may_carry_its_token_in_the_subprotocol(
    shared_server: Server, node: NodeDriver, room: str
) -> None:
    offered = f"syncroom.{shared_server.token(room=room)}"

    ann = await node.open(shared_server.yjs_url(room), "a", protocols=[offered])

    await ann.synced()
    await ann.close()


async def test_a_provider_may_carry_its_token_in_a_header(
    shared_server: Server, node: NodeDriver, room: str
) -> None:
    bearer = shared_server.token(room=room)

    ann = await node.open(shared_server.yjs_url(room), "a", bearer=bearer)

    await ann.synced()
    await ann.close()


# -- paths


@pytest.mark.parametrize(
    "spelling",
    [
        "docs/R%C3%A4ume/%D0%BF%D0%BB%D0%B0%D0%BD.md",
        "docs%2FR%C3%A4ume%2F%D0%BF%D0%BB%D0%B0%D0%BD.md",
        "./docs/R%C3%A4ume/./%D0%BF%D0%BB%D0%B0%D0%BD.md",
        "/docs//R%C3%A4ume/%D0%BF%D0%BB%D0%B0%D0%BD.md/",
        "docs/Ra%CC%88ume/%D0%BF%D0%BB%D0%B0%D0%BD.md",
    ],
    ids=["encoded", "slashes encoded", "dots", "doubled slashes", "decomposed letters"],
)
async def test_a_document_is_the_same_however_its_path_is_spelled(
    shared_server: Server, room: str, spelling: str
) -> None:
    token = shared_server.token(room=room)
    ann = Editor()
    await ann.connect(shared_server.document_url(PATH, token, room))
    ann.insert(0, "one document")
    await ann.flush()
    await ann.until_acknowledged()

    async with joined(f"{shared_server.yjs_url(room)}/{spelling}?token={token}") as client:
        assert client.text() == "one document"
    await ann.disconnect()


@any_version
async def test_a_provider_may_leave_its_path_unencoded(
    shared_server: Server, node: NodeDriver, room: str, version: int
) -> None:
    token = shared_server.token(room=room)
    url = shared_server.yjs_url(room)
    path = unicodedata.normalize("NFD", "Ordner/mit Leerzeichen/Größe 100% + mehr")
    careful = "Ordner/mit Leerzeichen/Größe 100% + mehr"
    ann = await node.open(url, path.replace("%", "%25"), version=version, token=token)
    await ann.synced()

    await ann.insert(0, "here")

    async with joined(shared_server.document_url(careful, token, room)) as reader:
        await reader.until(lambda: reader.text() == "here", "the text")
    await ann.close()


async def test_documents_of_one_path_in_two_rooms_are_two(shared_server: Server, room: str) -> None:
    other = f"{room}-other"
    ann = Editor()
    await ann.connect(shared_server.document_url("notes", shared_server.token(room=room), room))
    ann.insert(0, "of the first room")
    await ann.flush()
    await ann.until_acknowledged()

    async with joined(
        shared_server.document_url("notes", shared_server.token(room=other), other)
    ) as stranger:
        assert stranger.text() == ""
    await ann.disconnect()


# -- the wire


async def test_all_messages_of_one_frame_are_answered(shared_server: Server, room: str) -> None:
    url = shared_server.document_url("notes", shared_server.token(room=room), room)
    async with joined(url) as bob, await RawClient.open(url) as ann:
        ann_state = wire.State(11, 1, {"mood": "curious"})
        writing = Editor(client_id=11)
        writing.insert(0, "three in one")

        await ann.send(wire.step1() + wire.awareness(ann_state) + wire.update(writing.made[0]))

        await ann.first("step2")
        await bob.until(lambda: bob.text() == "three in one", "the text")
        await bob.until(lambda: 11 in bob.present(), "the presence")


async def test_a_message_in_fragments_is_one_message(shared_server: Server, room: str) -> None:
    url = shared_server.document_url("notes", shared_server.token(room=room), room)
    async with await RawClient.open(url) as client:
        question = wire.step1()

        await client.socket.send([question[:1], question[1:2], question[2:]])

        await client.first("step2")


async def test_the_server_asks_what_the_client_has(shared_server: Server, room: str) -> None:
    url = shared_server.document_url("notes", shared_server.token(room=room), room)
    async with joined(url) as client:
        question = await client.first("step1")

        assert wire.state_vector(question.payload) == {}


async def test_who_has_everything_is_sent_an_empty_answer(shared_server: Server, room: str) -> None:
    url = shared_server.document_url("notes", shared_server.token(room=room), room)
    ann = Editor()
    await ann.connect(url)
    ann.insert(0, "all of it")
    await ann.flush()
    await ann.until_acknowledged()
    seen = len(ann.socket.received)

    await ann.socket.send(wire.step1(ann.doc.get_state()))

    answer = await ann.socket.first("step2", after=seen)
    assert answer.payload == b"\x00\x00"
    await ann.disconnect()


async def test_a_question_for_presence_is_answered_with_the_others(
    shared_server: Server, room: str
) -> None:
    url = shared_server.document_url("notes", shared_server.token(room=room), room)
    async with joined(url) as ann, joined(url) as bob:
        await ann.send(wire.awareness(wire.State(11, 1, {"mood": "curious"})))
        await bob.until(lambda: 11 in bob.present(), "ann's presence")
        seen = len(bob.received)

        await bob.send(wire.QUERY)

        answer = await bob.first("awareness", after=seen)
        assert [state.client for state in answer.states] == [11]


async def test_a_writer_gets_its_own_update_back(shared_server: Server, room: str) -> None:
    ann = Editor()
    await ann.connect(shared_server.document_url("notes", shared_server.token(room=room), room))
    ann.insert(0, "mine")
    await ann.flush()

    await ann.socket.first("update")

    assert ann.socket.text() == "mine"
    await ann.disconnect()


async def test_a_deletion_comes_back_to_its_writer_too(shared_server: Server, room: str) -> None:
    ann = Editor()
    await ann.connect(shared_server.document_url("notes", shared_server.token(room=room), room))
    ann.insert(0, "mine")
    await ann.flush()
    await ann.until_acknowledged()

    ann.delete(0, 2)
    await ann.flush()

    await ann.until(lambda: ann.socket.text() == "ne", "the echo of the deletion")
    await ann.disconnect()


async def test_an_update_that_is_known_already_is_not_relayed(
    shared_server: Server, room: str
) -> None:
    url = shared_server.document_url("notes", shared_server.token(room=room), room)
    ann = Editor()
    await ann.connect(url)
    ann.insert(0, "once")
    await ann.flush()
    await ann.until_acknowledged()
    async with joined(url) as bob:
        await ann.socket.send(wire.update(ann.made[0]))
        await ann.socket.round_trip()
        await bob.round_trip()

        assert bob.of_kind("update") == []
    await ann.disconnect()


async def test_what_lacks_something_before_it_is_answered_with_a_question(
    shared_server: Server, room: str
) -> None:
    url = shared_server.document_url("notes", shared_server.token(room=room), room)
    writer = Editor()
    writer.insert(0, "one ")
    writer.insert(4, "two")
    async with joined(url) as ann, joined(url) as bob:
        seen = len(ann.received)

        await ann.send(wire.update(writer.made[1]))

        await ann.first("step1", after=seen)
        await ann.send(wire.step2(writer.doc.get_update()))
        await bob.until(lambda: bob.text() == "one two", "both updates")


async def test_a_silent_connection_is_kept_alive_by_messages(
    start_server: ServerFactory,
) -> None:
    server = start_server(keepalive_s=0.2)
    async with joined(server.document_url("notes", server.token())) as client:
        await client.round_trip()
        seen = len(client.frames)

        await client.until(lambda: len(client.frames) >= seen + 2, "two keep-alive frames")

        assert client.frames[seen] == b"\x01\x01\x00"


# -- stop and start


@any_version
async def test_a_document_survives_a_restart(
    server: Server, node: NodeDriver, version: int
) -> None:
    token = server.token()
    ann = await node.open(server.yjs_url(), "notes", version=version, token=token)
    await ann.synced()
    await ann.insert(0, "to be kept")
    async with joined(server.document_url("notes", token)) as reader:
        await reader.until(lambda: reader.text() == "to be kept", "the text")
    await ann.close()

    server.restart()

    bob = await node.open(server.yjs_url(), "notes", version=version, token=token)
    await bob.synced()
    assert await bob.text() == "to be kept"
    await bob.close()


async def test_a_stopping_server_closes_with_1012_and_exits_with_0(server: Server) -> None:
    async with joined(server.document_url("notes", server.token())) as client:
        code = await asyncio.to_thread(server.terminate)

        assert ((await client.closed())[0], code) == (1012, 0)


@any_version
async def test_a_provider_returns_by_itself_after_a_restart_with_what_it_wrote_meanwhile(
    server: Server, node: NodeDriver, version: int
) -> None:
    token = server.token()
    ann = await node.open(server.yjs_url(), "notes", version=version, token=token)
    await ann.synced()
    await asyncio.to_thread(server.terminate)
    await ann.event(type="close", code=1012)
    await ann.insert(0, "written while the server was away")

    await asyncio.to_thread(server.start)

    async with joined(server.document_url("notes", token)) as reader:
        await reader.until(lambda: reader.text() == "written while the server was away", "the text")
    await ann.close()


async def test_what_was_typed_last_before_a_stop_is_there_after_it(server: Server) -> None:
    url = server.document_url("notes", server.token())
    ann = Editor()
    await ann.connect(url)
    for number in range(100):
        ann.insert(0, f"{number} ")
    await ann.flush()
    await ann.socket.round_trip()

    await asyncio.to_thread(server.restart)

    async with joined(url) as reader:
        assert reader.text() == ann.text()
    await ann.disconnect()
