"""Who is let into a room, how a token may come, and what the SDKs are told on arrival."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.meshagent.sdk import room_url
from tests.support.driver import ClientError

if TYPE_CHECKING:
    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Sdk
    from tests.support.server import Server

WAIT_S_MAX = 60.0


async def test_who_joins_is_told_the_room_its_session_and_who_it_is(
    sdk: Sdk, join: Join, shared_server: Server, room: str
) -> None:
    ann = await join(sdk, "ann")

    assert ann.room == room
    assert ann.url == room_url(shared_server, room)
    assert ann.attributes["name"] == "ann"
    assert ann.id and ann.session


async def test_everybody_in_a_room_is_in_one_session(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair

    ann, ben = await join(one, "ann"), await join(other, "ben")

    assert ann.session == ben.session
    assert ann.id != ben.id


async def test_a_token_used_twice_makes_two_participants(sdk: Sdk, join: Join) -> None:
    first, second = await join(sdk, "ann"), await join(sdk, "ann")
    await first.enable()
    await second.enable()

    assert first.id != second.id
    assert [each["id"] for each in await second.participants()] == [first.id]


def bearer(token: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def subprotocol(token: str) -> dict[str, Any]:
    return {"subprotocols": [Subprotocol(f"meshagent-room.{token}")]}


async def first_types(socket: Any) -> set[str]:
    """The types of the first two messages: frames whose packet number is 0 tell them."""
    types: set[str] = set()
    async with asyncio.timeout(WAIT_S_MAX):
        while len(types) < 2:
            frame = await socket.recv()
            if frame[8:12] == bytes(4):
                types.add(frame[16:].decode())
    return types - {"room.status"}


@pytest.mark.parametrize("way", ["header", "query", "subprotocol"])
@pytest.mark.parametrize("slash", ["/", "//"])
async def test_a_token_may_come_as_header_in_the_query_or_as_subprotocol(
    shared_server: Server, room: str, way: str, slash: str
) -> None:
    token = shared_server.token(room=room)
    url = f"{shared_server.ws_url}{slash}rooms/{room}?v=0.56.0"
    options = {"header": bearer(token), "query": {}, "subprotocol": subprotocol(token)}[way]

    if way == "query":
        url += f"&token={token}"
    async with connect(url, compression=None, proxy=None, **options) as socket:
        types = await first_types(socket)

    assert types == {"room_ready", "connected"}
    assert socket.subprotocol == (options["subprotocols"][0] if "subprotocols" in options else None)


# What is wrong with a token; it is refused with a status at which the SDKs stop trying.
UNWELCOME: dict[str, dict[str, Any]] = {
    "for another room": {"room": "elsewhere"},
    "for no room": {"room": None},
    "expired": {"ttl": -60},
    "signed with another secret": {"secret": "another secret that is long enough: 0123456789"},
    "not signed": {"algorithm": "none"},
}


@pytest.mark.parametrize("what", UNWELCOME)
async def test_a_token_that_does_not_let_in_ends_the_attempt(
    sdk: Sdk, shared_server: Server, room: str, what: str
) -> None:
    token = shared_server.token(**{"room": room, **UNWELCOME[what]})

    with pytest.raises(ClientError, match="403"):
        await sdk.connect(room_url(shared_server, room), token)


async def test_what_is_no_token_ends_the_attempt(
    sdk: Sdk, shared_server: Server, room: str
) -> None:
    with pytest.raises(ClientError, match="403"):
        await sdk.connect(room_url(shared_server, room), "no-token")


async def test_an_address_that_is_no_room_ends_the_attempt(
    sdk: Sdk, shared_server: Server, room: str
) -> None:
    url = f"{room_url(shared_server, room)}/more"

    with pytest.raises(ClientError, match="404"):
        await sdk.connect(url, shared_server.token(room=room))


async def test_without_a_token_nobody_is_let_in(shared_server: Server, room: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(room_url(shared_server, room), compression=None, proxy=None)

    assert refused.value.response.status_code == 403
