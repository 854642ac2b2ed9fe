"""
Containers of a room, in an engine beside the server.  State: `.room/containers`.
Grant: `containers`.

A room sees the containers that it started and no others. Each has bounds on memory, processor and
processes, gets no more rights than the engine gives by default, and none of the server's folders.
Its ports are published on the loopback of the engine's machine alone, where tunnels reach them.
"""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from syncroom.apis.base import Caller, Request, denied, stream, tool
from syncroom.apis.container_mounts import find_copies, pack
from syncroom.apis.container_requests import (
    Container,
    Exec,
    ListContainers,
    Logs,
    Mounts,
    Run,
    Stop,
    grant_of,
    may_log,
    may_run,
    may_use,
)
from syncroom.apis.container_talk import send_log, talk
from syncroom.apis.images import Images
from syncroom.apis.room_containers import ContainersMap, container_json, is_closed_to, name_of
from syncroom.errors import Conflict, LimitExceeded, Malformed, Misconfigured, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.apis.builds import Builds
    from syncroom.apis.calls import Stream
    from syncroom.apis.room_containers import RoomContainers
    from syncroom.apis.room_images import RoomImages
    from syncroom.apis.shelf import Shelf
    from syncroom.limits import Limits

    Environment = Callable[[Caller, str], dict[str, str]]
    """What an agent of a name in a container needs to join the room for a caller."""

_STOP_S = 10


class Containers(Images):
    """The containers of one room.

    Args:
        mine: those that there are.
        images: what they are made from.
        builds: what makes more images.
        shelf: the files of the room.
        environment: makes what an agent needs to join it.
        limits: the bounds of the server.
    """

    name: ClassVar = "containers"
    grant: ClassVar = "containers"
    numbers: ClassVar = {NotFound: 6001}
    map: ContainersMap

    def __init__(
        self,
        mine: RoomContainers,
        images: RoomImages,
        builds: Builds,
        shelf: Shelf,
        environment: Environment,
        limits: Limits,
    ) -> None:
        super().__init__(images, builds, limits)
        self.map = ContainersMap(mine)
        self._mine = mine
        self._shelf = shelf
        self._environment = environment
        self._making = asyncio.Lock()

    @tool(ListContainers, may_use)
    async def list_containers(self, caller: Caller, request: ListContainers) -> dict[str, Any]:
        """The containers of the room."""
        found = await self._mine.list()
        shown = [container_json(each, is_early=caller.is_early) for each in found]
        return {"containers": [each for each in shown if request.all or each["state"] == "RUNNING"]}

    @tool(Run, may_run)
    async def run(self, caller: Caller, request: Run) -> dict[str, Any]:
        """Start a container; its image is pulled where it is not there."""
        settings = self._settings(caller, request)
        mounts, bytes_max = request.mounts or Mounts(), self._limits.container_files_bytes_max
        copies = await find_copies(mounts, caller.participant, self._shelf, bytes_max)
        try:
            image, _ = await self._images.find(request.image)
        except NotFound:
            image = request.image
            if not grant_of(caller.participant).can_pull(image):
                raise denied(f"to pull the image {image!r}, which is not here") from None
            await self._pull(image, request.credentials)
        container_id = await self._make(request.name, {"Image": image, **settings})
        try:
            if mounts.room or mounts.files:
                await self._engine.unpack(container_id, pack(mounts, copies, self._shelf))
            await self._engine.ask("POST", f"/containers/{container_id}/start")
        except BaseException:  # also where its caller leaves: nobody would know of it
            await asyncio.shield(asyncio.ensure_future(self._mine.remove(container_id)))
            raise
        return {"container_id": container_id}

    @tool(Request, may_use)
    def run_service(self, caller: Caller, request: Request) -> NoReturn:
        """Services are not containers here."""
        raise Misconfigured(
            "services are no containers on this server: it runs them by itself, and "
            "services.restart starts one again"
        )

    @tool(Stop, may_use)
    async def stop_container(self, caller: Caller, request: Stop) -> None:
        """End a container; it may finish first, unless it is forced."""
        await self._mine.find(request.container_id)
        path, seconds = f"/containers/{request.container_id}/stop", 0 if request.force else _STOP_S
        await self._engine.ask("POST", path, params={"t": str(seconds)})

    @tool(Container, may_use)
    async def delete_container(self, caller: Caller, request: Container) -> None:
        """End a container, and forget it."""
        await self._mine.find(request.container_id)
        await self._mine.remove(request.container_id)

    @tool(Container, may_use)
    async def wait_for_exit(self, caller: Caller, request: Container) -> dict[str, Any]:
        """Return when a container has ended, and with which code."""
        await self._mine.find(request.container_id)
        path = f"/containers/{request.container_id}"
        ended = await self._engine.ask("POST", f"{path}/wait", seconds=None)
        state = (await self._mine.find(request.container_id))["State"]
        return {
            "exit_code": ended["StatusCode"],
            "reason": "oom_killed" if state.get("OOMKilled") else "exited",
            "message": state.get("Error") or None,
            "oom_killed": bool(state.get("OOMKilled")),
        }

    @stream(Logs, may_log)
    async def logs(self, caller: Caller, request: Logs, stream: Stream) -> None:
        """What a container printed, line by line; with ``follow``, also what it prints from now."""
        await self._check_open(request.container_id, caller)
        await send_log(self._engine, request.container_id, stream, follow=request.follow)

    @stream(Exec, may_use)
    async def exec(self, caller: Caller, request: Exec, stream: Stream) -> None:
        """Run a command in a container, with its input and output."""
        await self._check_open(request.container_id, caller)
        command, is_terminal = _command(request.command) or ["/bin/sh"], bool(request.tty)
        await talk(self._engine, request.container_id, command, stream, is_terminal=is_terminal)

    async def published_port(self, container_id: str, port: int) -> int:
        """Where a port of a container is on loopback; raises `NotFound`, `Unavailable`."""
        container = await self._mine.find(container_id)
        bindings = container["NetworkSettings"]["Ports"].get(f"{port}/tcp")
        if not bindings:
            raise NotFound(f"the container publishes no port {port}")
        return int(bindings[0]["HostPort"])

    async def _check_open(self, container_id: str, caller: Caller) -> None:
        if is_closed_to(await self._mine.find(container_id), caller):
            raise denied("the container is private to who started it")

    async def _make(self, name: str | None, settings: dict[str, Any]) -> str:
        """Make a container that does not run yet; its id."""
        async with self._making:
            found, allowed = await self._mine.list(), self._limits.room_containers_max
            if len(found) >= allowed:
                raise LimitExceeded(
                    f"the room has {allowed} containers, as many as it may have; delete one first"
                )
            if name and any(name_of(each) == name for each in found):
                raise Conflict(f"the room has a container {name!r} already")
            made = await self._engine.ask("POST", "/containers/create", body=settings)
        container_id: str = made["Id"]
        return container_id

    def _settings(self, caller: Caller, request: Run) -> dict[str, Any]:
        """A container as engines want it described, but for its image."""
        limits = self._limits
        env = {each.key: each.value for each in request.env or []}
        if request.template == "agent":
            name = request.participant_name or request.name or "container"
            env = {**self._environment(caller, name), **env}
        ports = [f"{each.container_port}/tcp" for each in request.ports or []]
        command = _command(request.command)
        return {
            **({"Cmd": command} if command else {}),
            "WorkingDir": request.working_dir or "",
            "Env": [f"{key}={value}" for key, value in env.items()],
            "Labels": self._mine.labels(caller, request),
            "ExposedPorts": {each: {} for each in ports},
            "HostConfig": {
                "Memory": limits.container_memory_bytes_max,
                "NanoCpus": int(limits.container_cpus_max * 1e9),
                "PidsLimit": limits.container_processes_max,
                "ReadonlyRootfs": request.writable_root_fs is False,
                "SecurityOpt": ["no-new-privileges"],
                "PortBindings": {each: [{"HostIp": "127.0.0.1", "HostPort": ""}] for each in ports},
                "Tmpfs": {
                    each.path: f"{'ro' if each.read_only else 'rw'},mode=1777"
                    f",size={limits.container_memory_bytes_max}"
                    for each in (request.mounts or Mounts()).empty_dirs
                },
            },
        }


def _command(command: str | list[str] | None) -> list[str]:
    if not isinstance(command, str):
        return command or []
    try:
        return shlex.split(command)
    except ValueError as error:
        raise Malformed(f"the command can't be split into words: {error}") from None
