"""
Programs that the server runs for rooms, and runs again when they end.

Each is a process of its own, with a token for its room in its environment, and is ended with all
that it started when the server ends, however that comes about. What it prints goes to the log of
its room.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from syncroom import leash
from syncroom.apis.services import RoomServices
from syncroom.auth.token import ParticipantToken
from syncroom.logs import without_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncroom.auth.keys import Keyring
    from syncroom.limits import Limits
    from syncroom.service_file import ServiceConfig

    Note = Callable[[str, str, dict[str, Any]], None]
    """Takes the name of a room, the type of an entry, and what it says."""

_PRIVATE = ("SYNCROOM_", "MESHAGENT_")
"""Variables of the server that begin so are not for others: they may be secrets."""

_CHUNK_BYTES = 64 << 10
_LINE_BYTES_MAX = 8 << 10
"""What is longer is cut: an entry of a log is bounded."""

_LATE_S = 1.0
"""What it printed last is read so soon after its end; others may keep the pipe open."""

_PAUSE_S = 0.05
"""Who prints more than a chunk in so long waits: reading it takes the server's time."""


class Supervised:
    """One service.

    Args:
        config: what it is.
        keyring: holds the secret that its token is signed with.
        limits: the bounds of the server.
        note: takes what is to be said in the log of a room.
        on_change: called when its state is another.
    """

    def __init__(
        self,
        config: ServiceConfig,
        keyring: Keyring,
        limits: Limits,
        note: Note,
        on_change: Callable[[str], None],
    ) -> None:
        self.config = config
        self._keyring = keyring
        self._limits = limits
        self._note = note
        self._on_change = on_change
        self._state: dict[str, Any] = {
            "service_id": config.id,
            "state": "stopped" if config.enabled else "disabled",
            "restart_count": 0,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._again = asyncio.Event()
        """Set when it is to be started again whatever the policy is."""
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether it is to run at all."""
        return self.config.enabled

    def describe(self) -> dict[str, Any]:
        """What is known of it before it runs, as the SDKs have it."""
        metadata = {"name": self.config.name or self.config.id}
        if self.config.description is not None:
            metadata["description"] = self.config.description
        return {
            "version": "v1",
            "kind": "Service",
            "id": self.config.id,
            "enabled": self.config.enabled,
            "metadata": metadata,
            "ports": [],
        }

    def state(self) -> dict[str, Any]:
        """How it is now; times in seconds since 1970."""
        return dict(self._state)

    def start(self, url: str) -> None:
        """Run it from now on; the URL is where it finds the server."""
        if self.config.enabled:
            self._task = asyncio.get_running_loop().create_task(self._keep_running(url))

    def restart(self) -> None:
        """End it, if it runs, and start it again."""
        self._again.set()
        self._end()

    async def close(self) -> None:
        """End it for good; it gets some time to end by itself."""
        self._is_closing = True
        self._again.set()
        self._end()
        if self._task is not None:
            await self._task

    def _end(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def _keep_running(self, url: str) -> None:
        pause_s = self._limits.service_restart_s
        while not self._is_closing:
            began = time.monotonic()
            self._again.clear()
            code = await self._run(url)
            ran_s = time.monotonic() - began
            if ran_s > self._limits.service_steady_s:
                pause_s = self._limits.service_restart_s
            if self._again.is_set():  # asked for; too often is no good either
                await asyncio.sleep(self._limits.service_restart_s - ran_s)
            elif self._is_due(code):
                self._change(state="restarting", restart_scheduled_at=time.time() + pause_s)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._again.wait(), pause_s)
                pause_s = min(2 * pause_s, self._limits.service_restart_s_max)
            else:
                await self._again.wait()
            self._state["restart_count"] += not self._is_closing
        self._change(state="stopped", restart_scheduled_at=None)

    def _is_due(self, code: int) -> bool:
        policy = self.config.restart
        return policy == "always" or (policy == "on-failure" and code != 0)

    async def _run(self, url: str) -> int:
        """Run it once; its exit code."""
        try:
            process = await self._spawn(url)
        except (OSError, ValueError) as error:
            self._fail(str(error))
            return leash.NOT_STARTED
        self._process = process
        self._change(state="running", started_at=time.time(), restart_scheduled_at=None)
        if self._again.is_set():
            self._end()
        assert process.stdout is not None and process.stderr is not None
        loop = asyncio.get_running_loop()
        printed = loop.create_task(self._read("stdout", process.stdout))
        complained = loop.create_task(self._read("stderr", process.stderr))
        code = await process.wait()
        self._process = None
        await asyncio.wait([printed, complained], timeout=_LATE_S)
        if code == leash.NOT_STARTED and complained.done():
            self._fail(complained.result())
        for reading in (printed, complained):
            reading.cancel()
        self._change(state="exited", last_exit_code=code, last_exit_at=time.time())
        kind = "info" if code == 0 or self._again.is_set() else "warning"
        self._say(kind, f"the service {self.config.id!r} ended with exit code {code}")
        return code

    async def _spawn(self, url: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", leash.__file__, str(self._limits.service_stop_s)),
            *self.config.command,
            cwd=self.config.working_dir,
            env=self._environment(url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    def _fail(self, reason: str) -> None:
        self._say("error", f"the service {self.config.id!r} can't be started: {reason}")
        self._change(state="exited", last_start_error=reason, last_start_error_at=time.time())

    async def _read(self, name: str, stream: asyncio.StreamReader) -> str:
        """Put what is printed into the log of the room, line by line; the last line."""
        rest, last = b"", ""
        while chunk := await stream.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LINE_BYTES_MAX:
                lines, rest = [*lines, rest], b""
            for line in lines:
                last = self._print(name, line) or last
            if len(chunk) == _CHUNK_BYTES:
                await asyncio.sleep(_PAUSE_S)
        return self._print(name, rest) or last

    def _print(self, stream: str, line: bytes) -> str:
        text = without_tokens(line[:_LINE_BYTES_MAX].decode(errors="replace").rstrip())
        if text:
            self._say("info", text, stream=stream)
        return text

    def _say(self, kind: str, message: str, **more: str) -> None:
        self._note(self.config.room, kind, {"message": message, "service": self.config.id, **more})

    def _change(self, **changes: object) -> None:
        self._state |= changes
        self._on_change(self.config.id)

    def _environment(self, url: str) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_PRIVATE)}
        return {
            **inherited,
            **self.config.env,
            "MESHAGENT_API_URL": url,
            "MESHAGENT_ROOM": self.config.room,
            "MESHAGENT_TOKEN": self._token(),
        }

    def _token(self) -> str:
        granted = self.config.token
        token = ParticipantToken(name=granted.name or self.config.id)
        token.add_room_grant(self.config.room)
        token.add_role_grant(granted.role)
        token.add_api_grant(granted.api)
        return token.to_jwt(token=self._keyring.secret_for(None))


class Supervisor:
    """All services of one server.

    Args:
        configs: what they are.
        keyring: holds the secret that their tokens are signed with.
        limits: the bounds of the server.
        note: takes what is to be said in the log of a room.
    """

    def __init__(
        self, configs: Iterable[ServiceConfig], keyring: Keyring, limits: Limits, note: Note
    ) -> None:
        self._rooms: dict[str, RoomServices] = {}
        self._services: list[Supervised] = []
        for config in configs:
            room = self._rooms.setdefault(config.room, RoomServices())
            service = Supervised(config, keyring, limits, note, room.changed)
            room.services[config.id] = service
            self._services.append(service)

    def room(self, name: str) -> RoomServices:
        """The services of a room."""
        return self._rooms.get(name) or RoomServices()

    def start(self, url: str) -> None:
        """Run them from now on; the URL is where they find the server."""
        for service in self._services:
            service.start(url)

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(service.close() for service in self._services))
