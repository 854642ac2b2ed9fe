"""What a token does not grant is refused, and the SDKs are told with the code of a denial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.meshagent.sdk import PAGE
from tests.support.driver import ClientError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Participant, Sdk

DENIED = 1001

# What somebody may do, and what they may not.
CASES: dict[str, tuple[dict[str, Any] | None, Callable[[Participant], Awaitable[Any]]]] = {
    "open a document without sync": ({"messaging": {}}, lambda p: p.open("a.page", PAGE)),
    "open a document of others": (
        {"sync": {"paths": [{"path": "mine/*"}]}},
        lambda p: p.open("theirs/a.page", PAGE),
    ),
    "make a document to read": (
        {"sync": {"paths": [{"path": "a.page", "read_only": True}]}},
        lambda p: p.open("a.page", PAGE),
    ),
    "anything without an api grant": (None, lambda p: p.open("a.page", PAGE)),
    "send without messaging": ({"sync": {}}, lambda p: p.send("ann", "note", {})),
    "send without being granted it": (
        {"messaging": {"send": False}},
        lambda p: p.send("ann", "note", {}),
    ),
    "broadcast without being granted it": (
        {"messaging": {"broadcast": False}},
        lambda p: p.broadcast("note", {}),
    ),
    "list toolkits without agents": ({"sync": {}}, lambda p: p.toolkits()),
    "list toolkits without being granted it": (
        {"agents": {"use_tools": False}},
        lambda p: p.toolkits(),
    ),
    "offer a public toolkit": (
        {"agents": {"register_public_toolkit": False}},
        lambda p: p.host("desk"),
    ),
    "offer a private toolkit": (
        {"agents": {"register_private_toolkit": False}},
        lambda p: p.host("desk", public=False),
    ),
}


@pytest.mark.parametrize("what", CASES)
async def test_what_is_not_granted_is_denied(sdk: Sdk, join: Join, what: str) -> None:
    scope, act = CASES[what]
    ann = await join(sdk, "ann", scope=scope)

    with pytest.raises(ClientError) as denied:
        await act(ann)

    assert denied.value.code == DENIED
    assert "permission" in denied.value.message


@pytest.mark.parametrize("grant", [{"call": False}, {"allowed_toolkits": ["other"]}])
async def test_a_toolkit_that_one_may_not_call_is_not_called(
    sdk: Sdk, python: Sdk, join: Join, grant: dict[str, Any]
) -> None:
    host = await join(python, "host")
    ann = await join(sdk, "ann", scope={"agents": grant})
    await host.host("desk")

    with pytest.raises(ClientError) as denied:
        await ann.ask("desk")

    assert denied.value.code == DENIED
    assert not [event for event in await host.events() if event["event"] == "asked"]


async def test_what_a_reader_writes_reaches_nobody(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    writer = await join(one, "writer")
    reader = await join(other, "reader", sync=["a.page:ro"])
    await writer.open("a.page", PAGE)
    await reader.open("a.page", create=False)

    await writer.append("a.page", {"heading": {"title": "theirs"}})
    await reader.has_children("a.page", 1)
    await reader.append("a.page", {"heading": {"title": "mine"}})
    with pytest.raises(ClientError) as denied:
        await reader.shut("a.page")

    assert denied.value.code == DENIED
    opened = await reader.open("a.page", create=False)
    assert opened["content"] == {"page": {"blocks": [{"heading": {"title": "theirs"}}]}}
