"""The servers under test: how each is started, and one that runs, on a core of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import syncroom
from benchmarks import process
from benchmarks.errors import MeasurementFailed
from benchmarks.wire import Dialect
from syncroom.auth.scopes import ApiScope
from syncroom.auth.token import ParticipantToken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.process import Cores

_START_S_MAX = 20.0
_STOP_S_MAX = 5.0
_TRIES = 3
"""A free port may be taken by somebody else before the server has it."""

_QUOTED_MAX = 200
_QUIET_S = 0.1
_QUIET_CPU_S = 0.02


class Kind(Protocol):
    """One of the servers that are compared."""

    @property
    def name(self) -> str:
        """As it is called in tables and on the command line."""

    @property
    def version(self) -> str:
        """The version that is measured."""

    @property
    def dialect(self) -> Dialect:
        """What its clients speak."""

    def command(self, port: int, data_dir: Path) -> list[str]:
        """What starts it."""

    def environment(self, port: int) -> Mapping[str, str]:
        """Variables that it is started with."""

    def path(self, document: str, client: int) -> str:
        """Where a client finds a document: the path of the URL, and the query."""


@dataclass
class Syncroom:
    """syncroom as it is run for real: tokens, grants, presence, every update on disk.

    Every client has a token of its own, as another participant.
    """

    name: str = "syncroom"
    version: str = syncroom.__version__
    dialect: Dialect = Dialect.YJS
    _secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _tokens: dict[int, str] = field(default_factory=dict)

    def command(self, port: int, data_dir: Path) -> list[str]:
        return [
            *(sys.executable, "-m", "syncroom", "serve", "--port", str(port)),
            *("--data-dir", str(data_dir / "data"), "--log-level", "warning"),
        ]

    def environment(self, port: int) -> Mapping[str, str]:
        return {"SYNCROOM_SECRET": self._secret}

    def path(self, document: str, client: int) -> str:
        return f"/yjs/benchmark/{quote(document)}?token={self._token(client)}"

    def _token(self, client: int) -> str:
        if client not in self._tokens:
            token = ParticipantToken(name=f"client {client}")
            token.add_room_grant("benchmark")
            token.add_api_grant(ApiScope.user_default())
            self._tokens[client] = token.to_jwt(token=self._secret)
        return self._tokens[client]


class Server:
    """A server that runs until it is stopped, with nothing but what it was started with."""

    def __init__(self, kind: Kind, cores: Cores, folder: Path) -> None:
        self.kind = kind
        self.port = 0
        self._cores = cores
        self._folder = folder / f"{kind.name}-{secrets.token_hex(4)}"
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._folder.mkdir(parents=True)
        said = ""
        for _ in range(_TRIES):
            self.port = _free_port()
            kept = {k: v for k, v in os.environ.items() if not k.upper().startswith("SYNCROOM_")}
            with (
                process.running_on(self._cores.server),
                (self._folder / "output").open("wb") as output,
            ):
                started = subprocess.Popen(
                    self.kind.command(self.port, self._folder),
                    env={**kept, **self.kind.environment(self.port)},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            if _takes_connections(started, self.port):
                return started
            _end(started)
            said = self._said()
        shutil.rmtree(self._folder)
        raise MeasurementFailed(f"did not start: {said[-_QUOTED_MAX:]}")

    @property
    def folder(self) -> Path:
        """Where it keeps what it keeps."""
        return self._folder

    def cpu_s(self) -> float:
        return process.cpu_s(self._process.pid)

    def memory_bytes(self) -> int:
        return process.memory_bytes(self._process.pid)

    def settle(self, s_max: float = 5.0) -> None:
        """Wait until it has done what it had to do: it uses next to no processor time."""
        deadline = time.monotonic() + s_max
        before = self.cpu_s()
        while time.monotonic() < deadline:
            time.sleep(_QUIET_S)
            now = self.cpu_s()
            if now - before < _QUIET_CPU_S:
                return
            before = now

    def check(self) -> None:
        """Raise `MeasurementFailed` if it has ended, or met a fault of its own."""
        said = self._said()
        if self._process.poll() is not None:
            raise MeasurementFailed(f"ended by itself: {said[-_QUOTED_MAX:]}")
        if "Traceback" in said:
            raise MeasurementFailed(f"met a fault: {said[-_QUOTED_MAX:]}")

    def revive(self) -> None:
        """Start it again if it has ended, with nothing of what it had."""
        if self._process.poll() is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._process = self._start()

    def _said(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return " ".join((self._folder / "output").read_text(errors="replace").split())
        return ""

    def stop(self) -> None:
        _end(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _takes_connections(started: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _START_S_MAX
    while time.monotonic() < deadline and started.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return started.poll() is None
        time.sleep(0.02)
    return False


def _end(started: subprocess.Popen[bytes]) -> None:
    started.terminate()
    try:
        started.wait(_STOP_S_MAX)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
