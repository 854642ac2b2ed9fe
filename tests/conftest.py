"""What every test may ask for: a server of its own or a shared one, and the JavaScript clients."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

import pytest
from hypothesis import settings

from tests.properties import examples
from tests.support.node import NodeDriver, need_node
from tests.support.server import Server

if TYPE_CHECKING:
    from pathlib import Path

# Tests start hundreds of processes: compiled once, each is there half a second sooner.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What a shell runs in the background ignores it, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No example has a deadline, also of a test that does not say how many it takes.
settings.register_profile("examples", examples(100))
settings.load_profile("examples")

ServerFactory: TypeAlias = Callable[..., Server]


@pytest.fixture(scope="session")
def _shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Held so shortly, refusals cost the tests little; what the hold is for has a test of its own.
    server = Server(tmp_path_factory.mktemp("shared") / "data", refusal_s=0.2, refusal_growth=1)
    server.start()
    yield server
    server.close()


@pytest.fixture
def shared_server(_shared_server: Server) -> Server:
    """One server for many tests: use a fresh room, and do not stop it."""
    assert _shared_server.is_alive(), _shared_server.logs()
    return _shared_server


@pytest.fixture
def room() -> str:
    """The name of a room that no other test uses."""
    return f"room-{uuid4().hex[:12]}"


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[ServerFactory]:
    """Starts servers of a test's own, as ``start_server(refusal_s=0.2)``; also with backends."""
    servers: list[Server] = []

    def start(*, backends: Mapping[str, str] | None = None, **limits: float) -> Server:
        server = Server(tmp_path / f"data-{len(servers)}", backends=backends, **limits)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def server(start_server: ServerFactory) -> Server:
    """A server of this test alone, to stop, kill and restart."""
    return start_server(refusal_s=0.2, refusal_growth=1)


@pytest.fixture(scope="module")
def node() -> Iterator[NodeDriver]:
    """The JavaScript clients, in one Node process for a module's tests."""
    need_node()
    driver = NodeDriver()
    yield driver
    driver.close()
