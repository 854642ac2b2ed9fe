"""Every bound at its value, below and above it, and how a client that crosses one is told."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect

from tests.protocol import craft
from tests.support import wire
from tests.support.editor import Editor
from tests.support.raw import RawClient, joined, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import ServerFactory
    from tests.support.server import Server

TOO_LARGE, TRY_LATER, MALFORMED = 1009, 1013, 1007


def sized(size: int, client: int = 7) -> bytes:
    """An update of so many bytes: a text of one client."""
    text = "x" * size
    while len(made := craft.update(craft.section(client, 0, craft.string(text)))) > size:
        text = text[: len(text) - (len(made) - size)]
    assert len(made) == size
    return made


async def until_echoed(client: RawClient, update: bytes) -> None:
    await client.until(lambda: update in client.updates(), "the echo")


# -- updates and messages


@pytest.mark.parametrize("size", [1999, 2000])
@pytest.mark.parametrize("message", [wire.update, wire.step2])
async def test_an_update_up_to_the_limit_is_taken(
    start_server: ServerFactory, size: int, message: Callable[[bytes], bytes]
) -> None:
    server = start_server(update_bytes_max=2000)
    async with joined(server.document_url("notes", server.token())) as ann:
        await ann.send(message(sized(size)))

        await until_echoed(ann, sized(size))


@pytest.mark.parametrize("message", [wire.update, wire.step2])
async def test_an_update_beyond_the_limit_is_told_held_and_closed_with_1009(
    start_server: ServerFactory, message: Callable[[bytes], bytes]
) -> None:
    server = start_server(update_bytes_max=2000, refusal_s=0.05)
    url = server.document_url("notes", server.token())
    async with joined(url) as ann, joined(url) as witness:
        await ann.send(message(sized(2001)))
        told = await ann.first("denied")
        code, _ = await ann.closed()
        await witness.round_trip()

    assert "2001" in told.reason
    assert "2000" in told.reason
    assert code == TOO_LARGE
    assert witness.of_kind("update") == []


@pytest.mark.parametrize(("size", "is_taken"), [(1999, True), (2000, True), (2001, False)])
async def test_a_message_has_a_largest_size(
    start_server: ServerFactory, size: int, is_taken: bool
) -> None:
    server = start_server(message_bytes_max=2000, refusal_s=0.01)
    around = len(wire.update(bytes(1500))) - 1500
    async with joined(server.document_url("notes", server.token())) as ann:
        update = sized(size - around)

        await ann.send(wire.update(update))

        if is_taken:
            await until_echoed(ann, update)
        else:
            assert (await ann.closed())[0] == TOO_LARGE
            assert len(ann.of_kind("denied")) == 1


async def test_who_comes_back_with_the_same_offence_is_held_longer(
    start_server: ServerFactory,
) -> None:
    server = start_server(
        update_bytes_max=2000, refusal_s=0.05, refusal_growth=1e5, refusal_s_max=3600
    )
    url = server.document_url("notes", server.token())
    async with joined(url) as ann:
        await ann.send(wire.update(sized(2001)))
        assert (await ann.closed())[0] == TOO_LARGE

    async with joined(url) as again, joined(url) as honest:
        await again.send(wire.update(sized(2001)))
        await again.first("denied")
        # Another participant with the same offence comes and goes meanwhile.
        async with joined(server.document_url("notes", server.token(name="ben"))) as ben:
            await ben.send(wire.update(sized(2001)))
            assert (await ben.closed())[0] == TOO_LARGE
        await honest.round_trip()

        assert not again.is_closed
        await again.cut()


async def test_who_is_held_gets_messages_so_that_it_does_not_dial_again(
    start_server: ServerFactory,
) -> None:
    server = start_server(refusal_s=3600, keepalive_s=0.02)
    async with await RawClient.open(server.document_url("notes", None)) as held:
        await held.until(lambda: len(held.of_kind("awareness")) > 4, "messages while it is held")

        assert not held.is_closed
        await held.cut()


# -- documents


async def test_a_document_takes_all_that_fits_and_refuses_what_does_not(
    start_server: ServerFactory,
) -> None:
    server = start_server(document_bytes_max=3000)
    url = server.document_url("notes", server.token())
    async with joined(url) as ann, joined(url) as ben:
        await ann.send(wire.update(sized(2000)))
        await until_echoed(ann, sized(2000))
        await ben.send(wire.update(sized(1001, client=8)))
        told = await ben.first("denied")
        await ann.send(wire.update(sized(1000, client=9)))
        await until_echoed(ann, sized(1000, client=9))
        await ben.round_trip()

        assert told.reason
        assert not ben.is_closed
        assert [update for update in ben.updates() if len(update) == 1001] == []


async def test_a_full_document_can_be_read_and_shortened_and_is_as_full_after_a_restart(
    start_server: ServerFactory,
) -> None:
    server = start_server(document_bytes_max=3000)
    url = server.document_url("notes", server.token())
    ann = Editor()
    await ann.connect(url)
    while not ann.socket.of_kind("denied"):
        ann.insert(0, "hello " * 20)
        await ann.flush()
        await ann.socket.round_trip()
    async with joined(url) as reader:
        length = len(reader.text())
        assert length > 1000
        known = Editor()
        known.doc.apply_update(reader.updates()[0])
    await ann.disconnect()
    await asyncio.to_thread(server.restart)

    known.delete(0, 10)
    async with joined(url) as ben, joined(url) as cleo:
        await cleo.send(wire.update(sized(1000)))
        await cleo.first("denied")
        await ben.send(wire.update(known.made[-1]))
        await until_echoed(ben, known.made[-1])

        assert len(ben.text()) == length - 10
        assert ben.of_kind("denied") == []


async def test_who_types_on_in_a_full_document_is_told_once_and_asked_for_nothing(
    start_server: ServerFactory,
) -> None:
    server = start_server(document_bytes_max=1000)
    ann = Editor()
    async with joined(server.document_url("notes", server.token())) as client:
        await client.first("step1")
        ann.insert(0, "x" * 2000)
        for _ in range(5):
            ann.insert(0, "more")

        await client.send(*map(wire.update, ann.made))
        await client.round_trip()

        assert len(client.of_kind("denied")) == 1
        assert len(client.of_kind("step1")) == 1


@pytest.mark.parametrize("count", [2, 3])
async def test_a_room_has_so_many_documents_and_no_more(
    start_server: ServerFactory, count: int
) -> None:
    server = start_server(room_documents_max=count, refusal_s=0.01)
    for number in range(count):
        async with joined(server.document_url(f"notes/{number}", server.token())) as ann:
            await ann.send(wire.update(sized(100)))
            await until_echoed(ann, sized(100))

    for _ in range(2):
        messages, (code, _) = await refusal(server.document_url("one more", server.token()))
        assert [message.kind for message in messages] == ["denied"]
        assert code == TRY_LATER
        async with joined(server.document_url("notes/0", server.token())):
            pass
        async with joined(server.document_url("a", server.token(room="other"), "other")):
            pass
        await asyncio.to_thread(server.restart)


async def test_documents_that_nobody_wrote_into_do_not_count_once_they_are_gone(
    start_server: ServerFactory,
) -> None:
    server = start_server(room_documents_max=2, refusal_s=0.01, idle_document_s=0.01)
    async with joined(server.document_url("kept", server.token())):
        for number in range(5):
            is_open = False
            while not is_open:  # until the one before has left memory
                url = server.document_url(f"empty/{number}", server.token())
                async with await RawClient.open(url) as client:
                    await client.send(wire.step1())
                    await client.until(lambda: bool(client.received), "any answer")
                    is_open = client.received[0].kind == "step2"


@pytest.mark.parametrize(("length", "is_open"), [(63, True), (64, True), (65, False)])
async def test_a_path_has_a_longest_length(
    start_server: ServerFactory, length: int, is_open: bool
) -> None:
    server = start_server(path_bytes_max=64, refusal_s=0.01)
    async with await RawClient.open(server.document_url("x" * length, server.token())) as ann:
        await ann.send(wire.step1())

        await ann.first("step2" if is_open else "denied")


# -- connections


async def test_a_room_seats_so_many_and_one_more_when_one_leaves(
    start_server: ServerFactory,
) -> None:
    server = start_server(room_connections_max=2, refusal_s=0.01)
    url = server.document_url("notes", server.token())
    async with joined(url):
        async with joined(server.document_url("other", server.token())):
            for path in ("notes", "third"):
                messages, (code, _) = await refusal(server.document_url(path, server.token()))
                assert ([message.kind for message in messages], code) == (["denied"], TRY_LATER)
            async with joined(server.document_url("a", server.token(room="other"), "other")):
                pass

        await until_seated(url)


async def test_an_address_has_so_many_connections_and_one_more_when_one_leaves(
    start_server: ServerFactory,
) -> None:
    server = start_server(address_connections_max=2, refusal_s=0.01)
    url = server.document_url("notes", server.token())
    async with joined(url):
        async with joined(server.document_url("a", server.token(room="other"), "other")):
            messages, (code, _) = await refusal(url)
            assert ([message.kind for message in messages], code) == (["denied"], TRY_LATER)

        await until_seated(url)


async def test_refused_clients_take_nobodys_place(start_server: ServerFactory) -> None:
    server = start_server(address_connections_max=1, refusal_s=3600)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            held = await RawClient.open(server.document_url("notes", None))
            stack.push_async_callback(held.cut)
            await held.first("denied")

        await until_seated(server.document_url("notes", server.token()))


async def test_behind_a_trusted_proxy_the_address_is_the_clients(
    start_server: ServerFactory,
) -> None:
    server = start_server(address_connections_max=1, refusal_s=0.01)
    url = server.document_url("notes", server.token())
    async with AsyncExitStack() as stack:
        for client in ("192.0.2.1", "192.0.2.2", "6.6.6.6, 192.0.2.3"):
            proxied = await stack.enter_async_context(_proxied(url, client))
            await proxied.send(wire.step1())
            assert isinstance(await proxied.recv(), bytes)

        again = await stack.enter_async_context(_proxied(url, "192.0.2.2"))
        await again.wait_closed()
        assert again.close_code == TRY_LATER


def _proxied(url: str, client: str) -> connect:
    return connect(
        url,
        additional_headers={"X-Forwarded-For": client},
        compression=None,
        proxy=None,
    )


async def until_seated(url: str) -> None:
    """Dial until there is a place: the server may not know yet that another has left."""
    is_seated = False
    while not is_seated:
        async with await RawClient.open(url) as client:
            await client.send(wire.step1())
            await client.until(lambda: bool(client.received), "any answer")
            is_seated = client.received[0].kind == "step2"


async def test_a_client_without_a_message_for_too_long_is_closed_to_come_back(
    start_server: ServerFactory,
) -> None:
    server = start_server(idle_s_max=1.0, keepalive_s=0.2)
    async with joined(server.document_url("notes", server.token())) as ann:
        code, reason = await ann.closed()

    assert code == TRY_LATER
    assert "message" in reason


async def test_a_client_that_says_something_now_and_then_stays(
    start_server: ServerFactory,
) -> None:
    server = start_server(idle_s_max=3600, keepalive_s=0.2)
    async with joined(server.document_url("notes", server.token())) as ann:
        await ann.until(lambda: len(ann.of_kind("awareness")) > 5, "some ticks")

        await ann.round_trip()


# -- presence


@pytest.mark.parametrize(("size", "is_taken"), [(199, True), (200, True), (201, False)])
async def test_a_presence_state_has_a_largest_size(
    start_server: ServerFactory, size: int, is_taken: bool
) -> None:
    server = start_server(presence_bytes_max=200, refusal_s=0.01)
    url = server.document_url("notes", server.token())
    value: dict[str, wire.JSON] = {"a": "x" * (size - len('{"a": ""}'))}
    async with joined(url) as ann, joined(url) as ben:
        await ann.send(wire.awareness(wire.State(7, 1, value)))

        if is_taken:
            await ben.until(lambda: 7 in ben.present(), "the presence")
        else:
            assert (await ann.closed())[0] == TOO_LARGE
            assert len(ann.of_kind("denied")) == 1
            await ben.round_trip()
            assert ben.present() == {}


# -- bytes that make no sense


@pytest.mark.parametrize("frame", [b"\x09", wire.update(b"\x01"), wire.step1(b"\x02")])
async def test_what_makes_no_sense_is_answered_and_nobody_else_notices(
    server: Server, frame: bytes
) -> None:
    url = server.document_url("notes", server.token())
    async with joined(url) as mallory, joined(url) as ann:
        await mallory.send(frame)

        assert (await mallory.closed())[0] == MALFORMED
        assert len(mallory.of_kind("denied")) == 1
        await ann.send(wire.update(sized(50)))
        await until_echoed(ann, sized(50))
