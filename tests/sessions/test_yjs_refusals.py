"""
Who is refused, how they are told, and that nothing they send changes anything for anybody.

A refused provider is accepted, told why, held for a moment and closed with a code: published
providers reconnect without end when they are turned away at the door.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pycrdt
import pytest
from websockets.exceptions import InvalidHandshake, InvalidMessage

from tests.support import wire
from tests.support.editor import Editor
from tests.support.node import VERSIONS
from tests.support.raw import RawClient, joined, refusal
from tests.support.tokens import api_scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import ServerFactory
    from tests.support.node import NodeDriver
    from tests.support.server import Server

UNAUTHENTICATED, DENIED, GONE = 4401, 4403, 4404


def forged(token: str) -> str:
    """The token with another name in it, under the signature of the first."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["name"] = "mallory"
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{header}.{changed}.{signature}"


NO_PROOF: dict[str, Callable[[Server], str | None]] = {
    "no token": lambda _: None,
    "an empty token": lambda _: "",
    "no JWT": lambda _: "let me in",
    "three parts of nothing": lambda _: "a.b.c",
    "expired": lambda server: server.token(ttl=-3600),
    "not yet valid": lambda server: server.token(nbf=int(time.time()) + 3600),
    "changed after signing": lambda server: forged(server.token()),
    "unsigned": lambda server: server.token(algorithm="none"),
    "signed with another secret": lambda server: server.token(secret="x" * 40),
    "signed in another way": lambda server: server.token(algorithm="HS512"),
    "no name": lambda server: server.token(name=""),
    "an expiry that is no number": lambda server: server.token(exp="tomorrow"),
}

NOT_GRANTED: dict[str, Callable[[Server], str]] = {
    "another room": lambda server: server.token(room="elsewhere"),
    "no room": lambda server: server.token(room=None),
    "no api": lambda server: server.token(scope=None),
    "an empty api": lambda server: server.token(scope={}),
    "no documents at all": lambda server: server.token(scope={"messaging": {}, "storage": {}}),
    "an empty list of documents": lambda server: server.token(sync=[]),
    "other documents": lambda server: server.token(sync=["other", "secrets", "plans/*"]),
    "a longer name": lambda server: server.token(sync=["secret/plan/draft"]),
}


@pytest.mark.parametrize("case", NO_PROOF)
async def test_a_token_that_proves_nothing_is_told_so_and_closed_with_4401(
    shared_server: Server, case: str
) -> None:
    url = shared_server.document_url("secret/plan", NO_PROOF[case](shared_server))

    messages, (code, _) = await refusal(url)

    assert ([message.kind for message in messages], code) == (["denied"], UNAUTHENTICATED)


@pytest.mark.parametrize("case", NOT_GRANTED)
async def test_a_good_token_without_the_grant_is_told_so_and_closed_with_4403(
    shared_server: Server, case: str
) -> None:
    url = shared_server.document_url("secret/plan", NOT_GRANTED[case](shared_server))

    messages, (code, _) = await refusal(url)

    assert ([message.kind for message in messages], code) == (["denied"], DENIED)


async def test_a_bad_token_in_the_header_is_refused_as_one_in_the_query_is(
    shared_server: Server,
) -> None:
    url = shared_server.document_url("secret/plan", None)

    messages, (code, _) = await refusal(url, bearer="let me in")

    assert ([message.kind for message in messages], code) == (["denied"], UNAUTHENTICATED)


@pytest.mark.parametrize("bytes_over", [200, 100_000])
async def test_a_token_longer_than_tokens_are_opens_nothing(
    shared_server: Server, bytes_over: int
) -> None:
    padding = "x" * ((8192 + bytes_over) * 3 // 4)
    bearer = shared_server.token(padding=padding)

    try:
        messages, (code, _) = await refusal(
            shared_server.document_url("secret/plan", None), bearer=bearer
        )
    except (InvalidHandshake, InvalidMessage):
        # So long a header that not even the handshake was read.
        return
    assert ([message.kind for message in messages], code) == (["denied"], UNAUTHENTICATED)


async def test_a_refusal_says_why_without_the_token(shared_server: Server) -> None:
    token = shared_server.token(ttl=-3600)

    messages, (_, reason) = await refusal(shared_server.document_url("plan", token))

    assert messages[0].reason
    assert token not in messages[0].reason + reason


@pytest.mark.parametrize("case", NOT_GRANTED)
async def test_whether_a_document_exists_can_not_be_told_from_a_refusal(
    shared_server: Server, case: str
) -> None:
    path = f"secret/{case.replace(' ', '-')}"
    url = shared_server.document_url(path, NOT_GRANTED[case](shared_server))
    before = await refusal(url)
    ann = Editor()
    await ann.connect(shared_server.document_url(path, shared_server.token()))
    ann.insert(0, "top secret")
    await ann.flush()
    await ann.until_acknowledged()

    after = await refusal(url)

    assert before == after
    await ann.disconnect()


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "notes/../../secret",
        "notes/%2e%2e/secret",
        "notes/%2E%2E%2Fsecret",
        "notes%5C..%5Csecret",
        "a%00b",
        "a%0Ab",
        "x" * 1025,
        "",
        "/./",
    ],
)
async def test_a_path_that_can_not_be_one_is_refused(shared_server: Server, path: str) -> None:
    # Sent as it stands: a careful client would have resolved the dots itself.
    url = f"{shared_server.yjs_url()}/{path}?token={shared_server.token()}"

    messages, (code, _) = await refusal(url)

    assert [message.kind for message in messages] == ["denied"]
    assert code in (DENIED, GONE)


@pytest.mark.parametrize("path", [".room/x", ".room/queues/x", ".ROOM/x", ".room", "./.room/x"])
async def test_a_document_of_ones_own_among_the_servers_is_refused(
    shared_server: Server, path: str
) -> None:
    url = shared_server.document_url(path, shared_server.token(scope="full"))

    messages, (code, _) = await refusal(url)

    assert [message.kind for message in messages] == ["denied"]
    assert code in (DENIED, GONE)


async def test_what_refused_clients_send_leaves_nothing_on_disk(server: Server) -> None:
    writer = Editor()
    writer.insert(0, "smuggled")
    before = server.stored_files()
    paths = ("plan", "../plan", ".room/plan")
    tokens = [None, server.token(ttl=-60), server.token(room="other"), server.token(sync=[])]
    for path in paths:
        for token in tokens:
            url = f"{server.yjs_url()}/{path}" + (f"?token={token}" if token else "")
            async with await RawClient.open(url) as client:
                await client.send(wire.step1(), wire.update(writer.made[0]))
                await client.send(wire.awareness(wire.State(5, 1, {})), wire.QUERY)
                await client.closed()

                assert [message.kind for message in client.told()] == ["denied"]

    assert server.stored_files() == before
    async with joined(server.document_url("plan", server.token())) as reader:
        assert reader.text() == ""


# -- providers that are refused


async def test_y_websocket_3_stops_for_good_after_4401(
    shared_server: Server, node: NodeDriver, room: str
) -> None:
    token = shared_server.token(room=room, ttl=-3600)

    ann = await node.open(shared_server.yjs_url(room), "notes", version=3, token=token)

    closed = await ann.event(type="closed")
    assert (closed["code"], await ann.count(type="connecting")) == (UNAUTHENTICATED, 1)
    await ann.close()


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: f"y-websocket-{v}")
async def test_a_refused_provider_is_told_and_held_instead_of_reconnecting_at_once(
    start_server: ServerFactory, node: NodeDriver, version: int
) -> None:
    server = start_server(refusal_s=3600)
    token = server.token(ttl=-3600)
    ann = await node.open(server.yjs_url(), "notes", version=version, token=token)
    denied = await ann.event(type="denied")
    # Time for twenty attempts, if it made them: as many connections of somebody else.
    for _ in range(20):
        async with joined(server.document_url("notes", server.token())):
            pass

    assert denied["reason"]
    assert await ann.count(type="connecting") == 1
    await ann.close()


async def test_refusals_beyond_the_number_held_are_closed_at_once(
    start_server: ServerFactory,
) -> None:
    server = start_server(refusal_s=3600, refusals_max=1)
    url = server.document_url("notes", None)
    async with await RawClient.open(url) as held:
        await held.first("denied")

        messages, (code, _) = await refusal(url)

        assert ([message.kind for message in messages], code) == (["denied"], UNAUTHENTICATED)
        assert not held.is_closed
        await held.cut()


async def test_a_held_refusal_is_let_go_when_the_server_stops(
    start_server: ServerFactory,
) -> None:
    server = start_server(refusal_s=3600)
    async with await RawClient.open(server.document_url("notes", None)) as held:
        await held.first("denied")

        assert await asyncio.to_thread(server.terminate) == 0
        await held.closed()


# -- readers


READER = ["notes/*:ro"]


async def test_a_reader_gets_the_document_and_every_update(
    shared_server: Server, room: str
) -> None:
    ann = Editor()
    await ann.connect(shared_server.document_url("notes/a", shared_server.token(room=room), room))
    ann.insert(0, "one")
    await ann.flush()
    await ann.until_acknowledged()
    token = shared_server.token(room=room, name="bob", sync=READER)
    async with joined(shared_server.document_url("notes/a", token, room)) as bob:
        assert bob.text() == "one"

        ann.insert(3, " two")
        await ann.flush()

        await bob.until(lambda: bob.text() == "one two", "the update")
    await ann.disconnect()


async def test_a_reader_sees_presence_and_is_seen(shared_server: Server, room: str) -> None:
    writer = shared_server.token(room=room)
    reader = shared_server.token(room=room, name="bob", sync=READER)
    async with (
        joined(shared_server.document_url("notes/a", writer, room)) as ann,
        joined(shared_server.document_url("notes/a", reader, room)) as bob,
    ):
        await ann.send(wire.awareness(wire.State(11, 1, {"mood": "curious"})))
        await bob.send(wire.awareness(wire.State(12, 1, {"mood": "silent"})))

        await bob.until(lambda: 11 in bob.present(), "ann's presence")
        await ann.until(lambda: 12 in ann.present(), "bob's presence")


def subdocument() -> bytes:
    """An update that puts a sub-document into a map."""
    made: list[bytes] = []
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    children = doc.get("map", type=pycrdt.Map)
    subscription = doc.observe(lambda event: made.append(event.update))
    children["child"] = pycrdt.Doc()
    del subscription
    return made[0]


def typed() -> bytes:
    writer = Editor()
    writer.insert(0, "a reader was here")
    return writer.made[0]


SMUGGLED = {
    "by update": lambda: wire.update(typed()),
    "by step 2": lambda: wire.step2(typed()),
    "by sub-document": lambda: wire.update(subdocument()),
    "behind a question": lambda: wire.step1() + wire.update(typed()),
    "behind an empty step 2": lambda: wire.step2(b"\x00\x00") + wire.step2(typed()),
}


@pytest.mark.parametrize("way", SMUGGLED)
async def test_what_a_reader_writes_changes_nothing_for_anybody_ever(
    server: Server, way: str
) -> None:
    url = server.document_url("notes/a", server.token())
    reader_url = server.document_url("notes/a", server.token(name="bob", sync=READER))
    ann = Editor()
    await ann.connect(url)
    ann.insert(0, "ann's")
    await ann.flush()
    await ann.until_acknowledged()
    async with joined(url) as witness, joined(reader_url) as bob:
        await bob.send(SMUGGLED[way]())
        await bob.first("denied")
        await bob.round_trip()
        await witness.round_trip()

        assert witness.of_kind("update") == []
        assert bob.of_kind("update") == []
    async with joined(url) as newcomer:
        assert wire.state_vector(newcomer.document().get_state()) == ann.vector()
    await ann.disconnect()
    server.restart()
    async with joined(url) as newcomer:
        assert wire.state_vector(newcomer.document().get_state()) == ann.vector()
        assert newcomer.text() == "ann's"


async def test_a_reader_can_not_delete(shared_server: Server, room: str) -> None:
    url = shared_server.document_url("notes/a", shared_server.token(room=room), room)
    ann = Editor()
    await ann.connect(url)
    ann.insert(0, "stays")
    await ann.flush()
    await ann.until_acknowledged()
    bob = Editor()
    token = shared_server.token(room=room, name="bob", sync=READER)
    await bob.connect(shared_server.document_url("notes/a", token, room))
    bob.delete(0, 5)

    await bob.flush()

    await bob.socket.first("denied")
    async with joined(url) as newcomer:
        assert newcomer.text() == "stays"
    await bob.disconnect()
    await ann.disconnect()


async def test_a_reader_is_told_once_however_much_it_writes(
    shared_server: Server, room: str
) -> None:
    token = shared_server.token(room=room, name="bob", sync=READER)
    async with joined(shared_server.document_url("notes/a", token, room)) as bob:
        await bob.send(*(wire.update(typed()) for _ in range(5)), wire.step2(typed()))
        await bob.round_trip()

        assert len(bob.of_kind("denied")) == 1


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: f"y-websocket-{v}")
async def test_a_reading_provider_that_types_nothing_is_not_told_off(
    shared_server: Server, node: NodeDriver, room: str, version: int
) -> None:
    writer = shared_server.token(room=room)
    ann = Editor()
    await ann.connect(shared_server.document_url("notes/a", writer, room))
    ann.insert(0, "to read")
    ann.delete(0, 3)
    await ann.flush()
    await ann.until_acknowledged()
    token = shared_server.token(room=room, name="bob", sync=READER)
    bob = await node.open(shared_server.yjs_url(room), "notes/a", version=version, token=token)
    await bob.synced()
    # The second time it has all of it, and answers the server's question with deletions.
    await bob.cut()
    await bob.connect()
    await bob.synced()
    ann.insert(0, "more ")
    await ann.flush()
    await bob.text_is("more read")

    assert await bob.count(type="denied") == 0
    await bob.close()
    await ann.disconnect()


async def test_a_reading_provider_is_told_when_its_user_types(
    shared_server: Server, node: NodeDriver, room: str
) -> None:
    token = shared_server.token(room=room, name="bob", sync=READER)
    bob = await node.open(shared_server.yjs_url(room), "notes/a", token=token)
    await bob.synced()

    await bob.insert(0, "a reader was here")

    denied = await bob.event(type="denied")
    assert denied["reason"]
    await bob.close()


async def test_the_first_line_that_matches_decides_who_may_write(
    shared_server: Server, room: str
) -> None:
    token = shared_server.token(room=room, sync=["notes/fixed:ro", "notes/*"])
    async with (
        joined(shared_server.document_url("notes/fixed", token, room)) as fixed,
        joined(shared_server.document_url("notes/open", token, room)) as open_,
    ):
        await fixed.send(wire.update(typed()))
        await open_.send(wire.update(typed()))

        await fixed.first("denied")
        await open_.first("update")


async def test_a_grant_is_spelled_as_freely_as_a_path(shared_server: Server, room: str) -> None:
    token = shared_server.token(room=room, sync=["/./docs//Ra\u0308ume/*"])

    async with joined(shared_server.document_url("docs/R\u00e4ume/plan", token, room)) as client:
        assert client.of_kind("denied") == []


async def test_a_token_without_any_list_of_documents_may_open_all(
    shared_server: Server, room: str
) -> None:
    token = shared_server.token(room=room, scope=api_scope("user-default", None))

    async with joined(shared_server.document_url("any/where", token, room)) as client:
        assert client.of_kind("denied") == []
