"""A real server: a process on a port of its own, that tests may stop, kill and restart."""

from __future__ import annotations

import os
import re
import signal
import threading
import urllib.parse
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.support import tokens
from tests.support.forked import ForkedProcess
from tests.support.ports import hold_port, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "the secret of a server under test, long enough for any HMAC: 0123456789"
START_S_MAX = 60.0
STOP_S_MAX = 60.0


class Server:
    """``syncroom serve`` on a data folder, and on a port that is its own until it is closed."""

    def __init__(
        self, data_dir: Path, *, backends: Mapping[str, str] | None = None, **limits: float
    ) -> None:
        self.data_dir = data_dir
        self._held_port = hold_port()
        self.port = number_of(self._held_port)
        self.process: ForkedProcess | None = None
        # attackers come back here on purpose, and tests do not wait for them
        self._limits = {"refusal_growth": 1, **limits}
        self._backends = backends or {}
        self._lines: list[str] = []
        self._is_ready = False
        self._heard = threading.Event()
        """When it is ready, or has ended."""
        self._readers: list[threading.Thread] = []
        self._tokens: list[str] = []

    def start(self) -> None:
        self._is_ready = False
        self._heard.clear()
        arguments = [
            *("serve", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--data-dir", str(self.data_dir), "--log-level", "debug"),
        ]
        self.process = ForkedProcess(arguments, self._environment())
        for stream in (self.process.stdout, self.process.stderr):
            reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
            reader.start()
            self._readers.append(reader)
        self._heard.wait(START_S_MAX)
        if not self._is_ready:
            self.close()
            raise AssertionError(f"the server did not start:\n{self.logs()}")

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.upper().startswith("SYNCROOM_")}
        limits = {f"SYNCROOM_LIMITS__{k.upper()}": str(v) for k, v in self._limits.items()}
        backends = {f"SYNCROOM_BACKENDS__{k.upper()}": v for k, v in self._backends.items()}
        return kept | limits | backends | {"SYNCROOM_SECRET": SECRET, "PYTHONUNBUFFERED": "1"}

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.append(line)
                if line.rstrip("\n") == f"syncroom listening on {self.url}":
                    self._is_ready = True
                    self._heard.set()
        self._heard.set()

    # -- ends and new beginnings

    def kill(self) -> None:
        """As a power cut would, as far as the process can tell."""
        self._process().send_signal(signal.SIGKILL)
        self._gone()

    def terminate(self) -> int:
        """Ask it to stop, wait until it has, and return its exit code."""
        self._process().send_signal(signal.SIGTERM)
        return self._gone()

    def restart(self) -> None:
        assert self.terminate() == 0, self.logs()
        self.start()

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _process(self) -> ForkedProcess:
        assert self.process is not None
        assert self.is_alive(), f"the server has ended:\n{self.logs()}"
        return self.process

    def _gone(self) -> int:
        process = self.process
        assert process is not None
        code = process.wait(STOP_S_MAX)
        for reader in self._readers:
            reader.join()
        self._readers.clear()
        self.process = None
        return code

    def close(self) -> None:
        """End it if it still runs, and hold it to what every test expects of it."""
        ended_by_test = self.process is None
        died = not ended_by_test and not self.is_alive()
        with self._held_port:
            if self.process is not None:
                self.process.kill()
                self._gone()
        logs = self.logs()
        assert not died, f"the server died:\n{logs}"
        assert "Traceback" not in logs, logs
        for token in self._tokens:
            signature = token.rpartition(".")[2]
            assert token not in logs, "a token stands in the log"
            assert not signature or signature not in logs, "a signature stands in the log"

    # -- what a client needs

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def yjs_url(self, room: str = "demo") -> str:
        return f"{self.ws_url}/yjs/{room}"

    def document_url(self, path: str, token: str | None, room: str = "demo") -> str:
        """Where a client finds a document, encoded as a careful client does it."""
        query = "" if token is None else "?" + urllib.parse.urlencode({"token": token})
        return f"{self.yjs_url(room)}/{urllib.parse.quote(path)}{query}"

    def token(
        self,
        *,
        room: str | None = "demo",
        name: str = "ann",
        role: str | None = "user",
        scope: str | dict[str, Any] | None = "user-default",
        sync: list[str] | None = None,
        ttl: float | None = None,
        secret: str = SECRET,
        **claims: Any,
    ) -> str:
        """A token with these claims; ``scope`` is a preset's name or the grants themselves."""
        api = tokens.api_scope(scope, sync) if isinstance(scope, str) else scope
        token = tokens.mint(secret, room=room, name=name, role=role, api=api, ttl=ttl, **claims)
        self._tokens.append(token)
        return token

    # -- what can be seen from outside

    def logs(self) -> str:
        return "".join(self._lines)

    def peak_memory(self) -> int:
        """The most bytes of memory that the process has held since the last `forget_peak`."""
        status = Path(f"/proc/{self._process().pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found.group(1)) << 10

    def open_files(self) -> list[str]:
        """What it has open: files, sockets, pipes."""
        opened = Path(f"/proc/{self._process().pid}/fd").iterdir()
        return [os.readlink(each) for each in opened if each.is_symlink()]

    def cpu_s(self) -> float:
        """How long the process has kept a core busy so far, in seconds."""
        fields = Path(f"/proc/{self._process().pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        Path(f"/proc/{self._process().pid}/clear_refs").write_text("5")

    def stored_files(self) -> dict[str, int]:
        """Every file of the data folder, with its size."""
        files = (path for path in self.data_dir.rglob("*") if path.is_file())
        return {str(path.relative_to(self.data_dir)): path.stat().st_size for path in files}
