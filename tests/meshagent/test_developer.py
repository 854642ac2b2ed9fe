"""The log of a room, written and followed with the published SDKs and the command line."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pycrdt

from tests.meshagent.cli import CommandLine
from tests.support.editor import provider

if TYPE_CHECKING:
    from pathlib import Path

    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Call, Sdk
    from tests.support.server import Server


async def _say(participant: Any, tool: str, **arguments: Any) -> None:
    content = {"type": "json", "json": arguments}
    assert (await participant.invoke("developer", tool, content))["type"] == "empty"


async def _entry(logs: Call, kind: str) -> dict[str, Any]:
    """The next entry of a type."""
    while True:
        chunk = await logs.get()
        assert chunk is not None
        if chunk["headers"]["type"] == kind:
            data: dict[str, Any] = json.loads(base64.b64decode(chunk["data"]))
            return data


async def test_what_one_sdk_logs_the_other_follows(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")
    logs = ben.call("developer", "logs")
    assert await logs.answer() is None

    await _say(ann, "log", type="step", data={"n": 1})
    await _say(ann, "warning", message="slow", extra={"ms": 900})

    assert await _entry(logs, "step") == {"n": 1}
    assert await _entry(logs, "warning") == {"message": "slow", "ms": 900}
    record = (await _entry(logs, "otel.log"))["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
    assert (record["severityText"], record["body"]) == ("WARNING", {"stringValue": "slow"})

    await logs.put(None)
    while await logs.get() is not None:
        pass


async def test_the_server_says_in_the_log_who_came(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")
    logs = ann.call("developer", "logs")
    await logs.answer()

    await join(sdk, "ben")

    while (line := await _entry(logs, "info")).get("name") != "ben":
        pass
    assert line["message"] == "joined"
    assert "address" not in line


async def test_the_last_entries_can_be_watched_as_a_document(
    sdk: Sdk, join: Join, shared_server: Server, room: str
) -> None:
    ann = await join(sdk, "ann")
    await _say(ann, "log", type="step", data={"n": 1})
    url = shared_server.document_url(".room/logs", shared_server.token(room=room), room)

    async with provider(url) as reader:
        entries: list[dict[str, Any]] = reader.doc.get("logs", type=pycrdt.Array).to_py() or []

    [step] = [each for each in entries if each["type"] == "step"]
    assert (step["name"], step["data"]) == ("ann", {"n": 1})


async def test_the_command_line_prints_what_is_said(
    python: Sdk, join: Join, shared_server: Server, room: str, tmp_path: Path
) -> None:
    ann = await join(python, "ann")
    token = shared_server.token(room=room, name="cli")
    cli = CommandLine(shared_server, tmp_path, MESHAGENT_ROOM=room, MESHAGENT_TOKEN=token)

    async def repeat() -> None:
        while True:  # when the command line begins to follow can't be seen from outside
            await _say(ann, "warning", message="half way", extra={})

    async with cli.printing("room", "developer") as output:
        saying = asyncio.create_task(repeat())
        async for line in output:
            if b"half way" in line:
                break
        saying.cancel()

    assert b"WARNING" in line
