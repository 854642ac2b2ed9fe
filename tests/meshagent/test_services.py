"""Services that use the published SDK, listed and restarted with the SDKs and the command line."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.meshagent.cli import CommandLine
from tests.meshagent.sdk import PYTHON, need_python
from tests.support.driver import ClientError
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Sdk

ROOM = "workshop"

AGENT = """
import asyncio, os
from meshagent.api import RoomClient, WebSocketClientProtocol
from meshagent.api.helpers import websocket_room_url

async def main():
    url = websocket_room_url(room_name=os.environ["MESHAGENT_ROOM"])
    protocol = WebSocketClientProtocol(url=url, token=os.environ["MESHAGENT_TOKEN"])
    async with RoomClient(protocol_factory=protocol.create_factory()) as room:
        me = room.local_participant.get_attribute("name")
        while True:
            await room.developer.log(type="greeting", data={"from": me})
            await asyncio.sleep(0.05)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a service that runs, and one that does not."""
    need_python()
    server = Server(tmp_path_factory.mktemp("workshop") / "data")
    server.data_dir.mkdir(mode=0o700)
    token = {"name": "Greeter", "api": {"developer": {}}}
    command = [str(PYTHON), "-c", AGENT]
    greeter = {"id": "greeter", "room": ROOM, "command": command, "token": token}
    idle = {"id": "idle", "room": ROOM, "command": "x", "enabled": False, "description": "Rests."}
    (server.data_dir / "services.yaml").write_text(json.dumps({"services": [greeter, idle]}))
    server.start()
    yield server
    server.close()


async def test_a_service_joins_its_room_with_the_published_sdk(
    sdk: Sdk, join: Join, workshop: Server
) -> None:
    ann = await join(sdk, "ann", server=workshop, room=ROOM)
    logs = ann.call("developer", "logs")
    await logs.answer()

    while (entry := await logs.get()) is not None and entry["headers"]["type"] != "greeting":
        pass

    assert entry is not None
    assert json.loads(base64.b64decode(entry["data"])) == {"from": "Greeter"}


async def test_services_are_listed_and_restarted_with_the_sdks(
    sdk: Sdk, join: Join, workshop: Server
) -> None:
    ann = await join(sdk, "ann", server=workshop, room=ROOM)
    before = await _states(ann)

    await ann.invoke("services", "restart", _json(service_id="greeter"))

    count = before["greeter"]["restart_count"]
    while (await _states(ann))["greeter"]["restart_count"] == count:
        pass
    assert before["idle"]["state"] == "disabled"
    for id, code in (("nobody", 7001), ("idle", 7002)):
        with pytest.raises(ClientError) as refused:
            await ann.invoke("services", "restart", _json(service_id=id))
        assert refused.value.code == code


async def test_the_command_line_lists_and_restarts_services(
    workshop: Server, tmp_path: Path
) -> None:
    token = workshop.token(room=ROOM, name="cli")
    cli = CommandLine(workshop, tmp_path, MESHAGENT_ROOM=ROOM, MESHAGENT_TOKEN=token)

    listed = await cli.run("room", "service", "list")
    told = await cli.run("room", "service", "describe", "--name", "greeter", "--output", "json")
    await cli.run("room", "service", "restart", "--id", "greeter")

    assert '"greeter"' in told or "'greeter'" in told
    assert "greeter" in listed and "idle" in listed


def _json(**arguments: Any) -> dict[str, Any]:
    return {"type": "json", "json": arguments}


async def _states(participant: Any) -> dict[str, dict[str, Any]]:
    listed = (await participant.invoke("services", "list", _json()))["json"]
    assert all(json.loads(each)["kind"] == "Service" for each in listed["services_json"])
    return {each["service_id"]: each for each in listed["service_states"]}
