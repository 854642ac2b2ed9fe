"""Containers of a room, with the published SDKs and command line."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from tests.meshagent.cli import CommandLine
from tests.support.editor import provider
from tests.support.podman import IMAGE, Podman

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import ServerFactory
    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Sdk


@pytest.fixture
def podman() -> Iterator[Podman]:
    engine = Podman()
    yield engine
    engine.close()


async def test_a_container_is_run_listed_watched_and_talked_with(
    podman: Podman,
    start_server: ServerFactory,
    tmp_path: Path,
    join: Join,
    python: Sdk,
    javascript: Sdk,
) -> None:
    server = start_server(backends={"container_engine": podman.url})
    token = server.token(name="ann", scope={"containers": {}})
    cli = CommandLine(server, tmp_path, MESHAGENT_ROOM="demo", MESHAGENT_TOKEN=token)
    container = "room", "container"

    command = 'sh -c "echo from inside; sleep 1000"'
    port = "--port", "8080:80"
    started = await cli.run(*container, "run", "--image", IMAGE, "--command", command, *port)
    found = re.search(r"Container started: (\w+)", started)
    assert found is not None, started
    name = found[1]
    listed, logged, executed = await asyncio.gather(
        cli.run(*container, "list"),
        cli.run(*container, "log", "--id", name),
        cli.run(*container, "exec", "--container-id", name, "--command", "echo within"),
    )
    await cli.run(*container, "exec", "--container-id", name, "--command", "sh -c 'exit 7'", code=7)
    images = await cli.run(*container, "image", "list", "--output", "json")
    [image_id] = set(re.findall(r"\b[0-9a-f]{64}\b", images))
    inspected = await cli.run(*container, "image", "inspect", "--image-id", IMAGE)

    with_objects = await join(python, server=server, room="demo")
    with_numbers = await join(javascript, server=server, room="demo")
    [told] = (await with_objects.containers())[name]
    async with provider(server.document_url(".room/containers", token)) as watching:
        await watching.until(lambda: bool(watching.map("containers")))
        shown = watching.map("containers")[name]

    assert told["container_port"] == 8080
    assert await with_numbers.containers() == {name: [told["host_port"]]}
    assert (shown["image"], shown["state"]) == (IMAGE, "RUNNING")
    assert IMAGE in images
    assert image_id in inspected
    assert name in listed
    assert "from inside" in logged
    assert "within" in executed
