"""Containers of a room, with the published SDKs and command line."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from tests.apis.contained import packed
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


async def test_the_command_line_runs_and_lists_a_container_and_talks_with_it(
    podman: Podman, start_server: ServerFactory, tmp_path: Path
) -> None:
    server = start_server(backends={"container_engine": podman.url})
    token = server.token(name="ann", scope={"containers": {}})
    cli = CommandLine(server, tmp_path, MESHAGENT_ROOM="demo", MESHAGENT_TOKEN=token)
    container = "room", "container"

    command = 'sh -c "echo from inside; sleep 1000"'
    started = await cli.run(*container, "run", "--image", IMAGE, "--command", command)
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

    assert IMAGE in images
    assert image_id in inspected
    assert name in listed
    assert "from inside" in logged
    assert "within" in executed


async def test_the_sdks_build_an_image_that_runs_and_list_its_ports_each_in_its_way(
    podman: Podman, start_server: ServerFactory, join: Join, python: Sdk, javascript: Sdk
) -> None:
    backends = {"container_engine": podman.url, "container_builds": "true"}
    server = start_server(backends=backends)
    archive = packed(Dockerfile=f"FROM {IMAGE}\nCOPY words /words\n", words="hello\n")

    ports = []
    for sdk in (python, javascript):
        tag = f"tools/{sdk.name}:2"
        one = await join(sdk, server=server, room="demo", scope="full")
        built = await one.build(tag, archive)
        asked = {"image": tag, "command": "sleep 1000", "ports": [{"container_port": 80}]}
        await one.invoke("containers", "run", {"type": "json", "json": asked})
        ports.append(await one.containers())

        assert "COPY words" in built["log"]
        assert (built["code"], built["status"]) == (0, "succeeded")
    async with provider(server.document_url(".room/containers", server.token())) as watching:
        await watching.until(lambda: len(watching.map("containers")) == 2)
        shown = watching.map("containers")

    [first], second = ports[0].values(), ports[1]
    assert first[0]["container_port"] == 80
    assert [first[0]["host_port"]] in second.values()
    assert {each["image"] for each in shown.values()} == {"tools/python:2", "tools/javascript:2"}
