"""The SDKs, and participants who leave when their test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.meshagent.sdk import Participant, Sdk, room_url

if TYPE_CHECKING:
    from tests.support.server import Server

Join: TypeAlias = Callable[..., Awaitable[Participant]]


@pytest.fixture(scope="session")
def python() -> Iterator[Sdk]:
    """The SDK for Python."""
    sdk = Sdk("python")
    yield sdk
    sdk.close()


@pytest.fixture(scope="session")
def javascript() -> Iterator[Sdk]:
    """The SDK for JavaScript."""
    sdk = Sdk("javascript")
    yield sdk
    sdk.close()


@pytest.fixture(params=["python", "javascript"])
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """Each of them."""
    chosen: Sdk = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(params=["python-javascript", "javascript-python"])
def pair(request: pytest.FixtureRequest) -> tuple[Sdk, Sdk]:
    """One of each, in either order."""
    one, other = (request.getfixturevalue(name) for name in request.param.split("-"))
    return one, other


@pytest.fixture
async def join(shared_server: Server, room: str) -> AsyncIterator[Join]:
    """Joins the test's room, as ``join(sdk, name)``; what more is named goes into the token."""
    joined: list[Participant] = []

    async def join(
        sdk: Sdk,
        name: str = "ann",
        *,
        server: Server = shared_server,
        room: str = room,
        accepts_streams: bool = True,
        **token: Any,
    ) -> Participant:
        options = {"accepts_streams": accepts_streams} if sdk.name == "python" else {}
        participant = await sdk.connect(
            room_url(server, room), server.token(room=room, name=name, **token), **options
        )
        joined.append(participant)
        return participant

    yield join
    for participant in joined:
        if not participant.is_closed:
            await participant.close()
