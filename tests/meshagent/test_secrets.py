"""Secrets with the published SDK that has a client for them, and what of them is on disk."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.driver import ClientError

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Participant, Sdk
    from tests.support.server import Server

PLAIN = b"open-sesame-8d1f"


async def _set(participant: Participant, id: str, data: bytes, **more: Any) -> None:
    headers = {"secret_id": id, "type": "text/plain", "name": id, "has_data": True, **more}
    content = {"type": "binary", "headers": headers, "data": base64.b64encode(data).decode()}
    assert (await participant.invoke("secrets", "set_secret", content))["type"] == "empty"


async def _ask(participant: Participant, tool: str, **arguments: Any) -> dict[str, Any]:
    return await participant.invoke("secrets", tool, {"type": "json", "json": arguments})


async def _get(participant: Participant, id: str) -> bytes | None:
    content = await _ask(participant, "get_secret", secret_id=id)
    return base64.b64decode(content["data"]) if content["type"] == "file" else None


async def test_a_secret_outlives_the_server_and_stands_plain_nowhere(
    javascript: Sdk, join: Join, start_server: ServerFactory
) -> None:
    server = start_server()
    ann = await join(javascript, "ann", server=server)
    await _set(ann, "db", PLAIN)
    await _say_it_wrong(ann)
    await ann.close()
    server.restart()

    ann, ben = [await join(javascript, name, server=server) for name in ("ann", "ben")]

    assert await _get(ann, "db") == PLAIN
    assert await _get(ben, "db") is None
    files = [file for file in server.data_dir.rglob("*") if file.is_file()]
    assert any(b'"ann", "db"' in file.read_bytes() for file in files)
    assert [str(file) for file in files if PLAIN in file.read_bytes()] == []
    assert PLAIN.decode() not in server.logs()
    assert (server.data_dir / "secrets.key").stat().st_mode & 0o777 == 0o600


async def _say_it_wrong(participant: Participant) -> None:
    """Send a secret in a way that is refused: errors and logs don't repeat it."""
    for tool in ("set_secret", "provide_secret"):
        with pytest.raises(ClientError) as refused:
            await _ask(
                participant, tool, request_id=[PLAIN.decode()], secret_id={"x": PLAIN.decode()}
            )
        assert PLAIN.decode() not in refused.value.message


async def test_the_client_of_another_participant_is_asked_and_provides(
    javascript: Sdk, sdk: Sdk, join: Join
) -> None:
    ann, ben = await join(sdk, "ann"), await join(javascript, "ben")
    wanted = {"url": "https://api.example.org", "type": "text/plain", "timeout": 60}
    arguments = {**wanted, "participant_id": ben.id, "delegate_to": None}

    call = asyncio.create_task(_ask(ann, "request_secret", **arguments))
    await ben.event("secret_requested")
    [event] = [it for it in await ben.events() if it["event"] == "secret_requested"]
    headers = {"request_id": event["request"]["requestId"], "error": None}
    data = base64.b64encode(PLAIN).decode()
    await ben.invoke(
        "secrets", "provide_secret", {"type": "binary", "headers": headers, "data": data}
    )

    assert base64.b64decode((await call)["data"]) == PLAIN
    assert event["request"]["url"] == wanted["url"]


async def test_oauth_is_not_available_where_no_endpoint_is_configured(
    sdk: Sdk, join: Join, shared_server: Server
) -> None:
    ann = await join(sdk, "ann")
    client = {
        "client_id": "c",
        "authorization_endpoint": "https://id.example.org/authorize",
        "token_endpoint": "https://id.example.org/token",
    }

    with pytest.raises(ClientError) as refused:
        await _ask(ann, "get_offline_oauth_token", oauth=client)

    assert refused.value.code == 1007
