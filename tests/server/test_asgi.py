"""syncroom inside another application: the same documents, refusals and bounds as by itself."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from syncroom import Misconfigured
from tests.protocol import craft
from tests.server.mounted import around, collab, served, token
from tests.support import wire
from tests.support.editor import Editor, provider
from tests.support.node import VERSIONS
from tests.support.raw import WAIT_S_MAX, RawClient, joined, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.node import NodeDriver


def _update(client: int, text: str) -> bytes:
    return wire.update(craft.update(craft.section(client, 0, craft.string(text))))


# -- who meets whom


async def test_every_published_client_meets_in_one_document(
    tmp_path: Path, node: NodeDriver
) -> None:
    async with served(around(collab=collab(tmp_path))) as server:
        base = f"{server.ws_url}/collab/yjs/demo"
        clients = [
            await node.open(base, "notes", version=version, token=token()) for version in VERSIONS
        ]
        for client in clients:
            await client.synced()
        async with provider(server.document()) as python:
            python.insert(0, "from Python")
            for client in clients:
                await client.text_is("from Python")
            await clients[0].insert(0, "from JavaScript, ")
            await python.until(lambda: python.text() == "from JavaScript, from Python")
        for client in clients:
            await client.text_is("from JavaScript, from Python")
            await client.close()


async def test_two_applications_side_by_side_share_nothing(tmp_path: Path) -> None:
    app = around(left=collab(tmp_path / "left"), right=collab(tmp_path / "right"))
    async with served(app) as server:
        ann = Editor()
        await ann.connect(server.document(prefix="/left"))
        ann.insert(0, "left only")
        await ann.flush()
        await ann.until_acknowledged()

        async with joined(server.document(prefix="/left")) as reader:
            assert reader.text() == "left only"
        async with joined(server.document(prefix="/right")) as reader:
            assert reader.text() == ""
        await ann.disconnect()


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    app = collab(tmp_path)
    for text in ("", "kept"):
        async with served(around(collab=app)) as server:
            ann = Editor()
            await ann.connect(server.document())
            assert ann.text() == text
            ann.insert(0, "kept")
            await ann.flush()
            await ann.until_acknowledged()
            await ann.disconnect()


async def test_a_participant_of_the_room_protocol_learns_where_it_found_the_room(
    tmp_path: Path,
) -> None:
    async with served(around(collab=collab(tmp_path))) as server:
        url = f"{server.ws_url}/collab/rooms/demo"
        async with connect(f"{url}?token={token()}", proxy=None) as socket:
            async with asyncio.timeout(WAIT_S_MAX):
                while url.encode() not in await socket.recv(decode=False):
                    pass


# -- where it is


async def test_http_is_there_as_well_below_the_prefix(tmp_path: Path) -> None:
    async with (
        served(around(collab=collab(tmp_path))) as server,
        httpx.AsyncClient(headers={"Authorization": f"Bearer {token()}"}) as client,
    ):
        base = f"{server.url}/collab"
        document = f"{base}/api/rooms/demo/documents/plan"

        put = await client.put(document, json={"content": "a plan"})
        read = await client.get(document)
        page = await client.get(f"{base}/")
        home = await client.get(server.url)

        assert (put.status_code, read.json()) == (200, {"content": "a plan"})
        assert "<title>syncroom</title>" in page.text
        assert home.text == "home"
        assert (await client.get(f"{base}/readyz")).json() == {"status": "ready"}
        assert "syncroom_documents" in (await client.get(f"{base}/metrics")).text


async def test_a_path_in_any_spelling_is_one_document_below_a_prefix_and_a_root_path(
    tmp_path: Path,
) -> None:
    async with served(around(collab=collab(tmp_path)), root_path="/proxy") as server:
        prefix = "/collab"
        async with joined(server.document("a%20b/%C3%A9", prefix)) as ann:
            await ann.send(_update(5, "here"))
            await ann.first("update")
        async with joined(server.document("./a%20b//e%CC%81", prefix)) as ben:
            assert b"here" in ben.of_kind("step2")[0].payload


async def test_it_is_an_application_by_itself_too(tmp_path: Path) -> None:
    async with served(collab(tmp_path)) as server, joined(server.document(prefix="")) as ann:
        assert ann.text() == ""


async def test_no_websocket_is_opened_elsewhere(tmp_path: Path) -> None:
    async with served(around(collab=collab(tmp_path))) as server:
        with pytest.raises(InvalidStatus) as raised:
            await connect(f"{server.ws_url}/collab/other/demo/notes", proxy=None)

        assert raised.value.response.status_code == 404


async def test_before_it_is_started_it_says_what_is_missing(tmp_path: Path) -> None:
    app = collab(tmp_path)
    with pytest.raises(Misconfigured, match="lifespan"):
        await app({"type": "http"}, None, None)  # type: ignore[arg-type]  # it looks at neither
    async with app:
        with pytest.raises(Misconfigured, match="already"):
            await app.__aenter__()


async def test_a_folder_that_another_has_stops_the_start_and_leaves_it_startable(
    tmp_path: Path,
) -> None:
    first, second = collab(tmp_path), collab(tmp_path)
    async with first:
        with pytest.raises(Misconfigured):
            async with second:
                pass
    async with second:
        pass


# -- who gets in


@pytest.mark.parametrize("way", ["query", "header", "subprotocol"])
async def test_a_token_lets_in_wherever_it_is(tmp_path: Path, way: str) -> None:
    async with served(around(collab=collab(tmp_path))) as server:
        jwt, url = token(), f"{server.ws_url}/collab/yjs/demo/notes"
        async with await RawClient.open(
            f"{url}?token={jwt}" if way == "query" else url,
            bearer=jwt if way == "header" else None,
            subprotocols=["yjs", f"syncroom.{jwt}"] if way == "subprotocol" else (),
        ) as ann:
            await ann.send(wire.step1())
            await ann.first("step2")

            chosen = f"syncroom.{jwt}" if way == "subprotocol" else None
            assert ann.socket.subprotocol == chosen


@pytest.mark.parametrize(
    ("claims", "code"),
    [({"room": "other"}, 4403), ({"sync": ["elsewhere"]}, 4403), ({"ttl": -100.0}, 4401)],
)
async def test_who_may_not_come_in_is_told_and_closed(
    tmp_path: Path, claims: dict[str, Any], code: int
) -> None:
    async with served(around(collab=collab(tmp_path))) as server:
        told, closed = await refusal(server.document(**claims))

        assert [message.kind for message in told] == ["denied"]
        assert closed[0] == code


async def test_no_token_reaches_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "syncroom")
    async with served(around(collab=collab(tmp_path))) as server, joined(server.document()):
        pass

    ours = [each for each in caplog.records if each.name.startswith("syncroom")]
    assert any("joined" in each.getMessage() for each in ours)
    assert all("eyJ" not in f"{each.getMessage()}{vars(each)}" for each in ours)


# -- how connections end


async def test_a_text_frame_ends_with_1007(tmp_path: Path) -> None:
    async with served(around(collab=collab(tmp_path))) as server:
        async with joined(server.document()) as ann:
            await ann.socket.send("text")

            assert (await ann.closed())[0] == 1007


async def test_a_message_too_large_ends_with_1009(tmp_path: Path) -> None:
    async with served(around(collab=collab(tmp_path, message_bytes_max=2000))) as server:
        async with joined(server.document()) as ann:
            await ann.send(_update(5, "x" * 2100))

            assert (await ann.closed())[0] == 1009


async def test_bytes_that_make_no_sense_end_with_1007(tmp_path: Path) -> None:
    async with served(around(collab=collab(tmp_path))) as server:
        async with joined(server.document()) as ann:
            await ann.send(b"\xff\xff\xff")

            assert (await ann.closed())[0] == 1007


async def test_a_client_gets_messages_while_nothing_happens(tmp_path: Path) -> None:
    async with served(around(collab=collab(tmp_path, keepalive_s=0.05))) as server:
        async with joined(server.document()) as ann:
            seen = len(ann.received)
            await ann.until(lambda: len(ann.received) > seen + 2, "messages that say nothing")


async def test_an_idle_client_is_closed(tmp_path: Path) -> None:
    app = collab(tmp_path, keepalive_s=0.2, idle_s_max=1.0)
    async with served(around(collab=app)) as server:
        async with joined(server.document()) as ann:
            assert (await ann.closed())[0] == 1013


async def test_the_end_of_the_outer_application_puts_everything_on_disk(tmp_path: Path) -> None:
    app = collab(tmp_path)
    async with served(around(collab=app)) as server:
        ann = await RawClient.open(server.document())
        await ann.send(wire.step1())
        await ann.first("step2")
        await ann.send(*[_update(100 + number, f"<{number}>") for number in range(50)])
        async with joined(server.document(name="ben")) as ben:
            await ben.until(lambda: "<49>" in str(ben.received), "the last change")
    assert (await ann.closed())[0] == 1012
    await ann.close()

    async with served(around(collab=app)) as server, joined(server.document()) as reader:
        document = reader.of_kind("step2")[0].payload
    assert all(f"<{number}>".encode() in document for number in range(50))


async def test_the_end_of_syncroom_alone_closes_its_connections_with_1012(tmp_path: Path) -> None:
    app = collab(tmp_path)
    async with served(Starlette(routes=[Mount("/collab", app)])) as server:
        async with app:
            ann = await RawClient.open(server.document())
            await ann.send(wire.step1())
            await ann.first("step2")

        assert (await ann.closed())[0] == 1012
        await ann.close()


# -- slow readers


async def test_a_slow_reader_gets_one_difference_and_costs_no_memory(tmp_path: Path) -> None:
    app = collab(tmp_path, outbox_bytes_max=20_000)
    async with served(around(collab=app)) as server:
        ann = Editor()
        await ann.connect(server.document())
        slow = await connect(
            server.document(name="slow"), proxy=None, compression=None, max_queue=1, max_size=None
        )
        await slow.send(wire.step1())
        slow.transport.pause_reading()
        lags = 0.0
        async with httpx.AsyncClient() as client:
            while not lags:
                ann.insert(0, "x" * 100_000)
                await ann.flush()
                await ann.until_acknowledged()
                lags = _metric(await client.get(f"{server.url}/collab/metrics"), "lags_total")
        slow.transport.resume_reading()

        reader = Editor()
        while reader.text() != ann.text():
            for message in wire.messages(await slow.recv(decode=False)):
                if message.kind in ("step2", "update"):
                    reader.doc.apply_update(message.payload)
        slow.transport.abort()
        await ann.disconnect()


async def test_a_reader_that_takes_nothing_is_let_go(tmp_path: Path) -> None:
    app = collab(tmp_path, outbox_bytes_max=20_000, outbox_stalled_s_max=0.5)
    async with served(around(collab=app)) as server:
        ann = Editor()
        await ann.connect(server.document())
        stuck = await connect(
            server.document(name="stuck"), proxy=None, compression=None, max_queue=1
        )
        await stuck.send(wire.step1())
        stuck.transport.pause_reading()
        connections = 2.0
        async with httpx.AsyncClient() as client:
            while connections > 1:
                ann.insert(0, "x" * 100_000)
                await ann.flush()
                await ann.until_acknowledged()
                answer = await client.get(f"{server.url}/collab/metrics")
                connections = _metric(answer, 'connections{protocol="yjs"}')
        stuck.transport.abort()
        await ann.disconnect()


def _metric(answer: httpx.Response, name: str) -> float:
    lines = (line.removeprefix("syncroom_") for line in answer.text.splitlines())
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))
