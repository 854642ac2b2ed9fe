"""Containers of a room, with the published command line."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from tests.meshagent.cli import CommandLine
from tests.support.podman import IMAGE, Podman

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import ServerFactory


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

    assert name in listed
    assert "from inside" in logged
    assert "within" in executed
