"""
Containers of a room, in an engine beside the server.  Grant: `containers`.

A room sees the containers that it started and no others. Each has bounds on memory, processor and
processes, gets no more rights than the engine gives by default, and none of the server's folders.
Its ports are published on the loopback of the engine's machine alone, where tunnels reach them.
Images are the engine's: all rooms share them, and what builds, pushes or deletes them is not here.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shlex
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from syncroom.apis.base import Caller, Request, Toolkit, denied, stream, tool
from syncroom.apis.container_requests import (
    Container,
    Credentials,
    Exec,
    InspectImage,
    ListContainers,
    Logs,
    Pull,
    Run,
    Stop,
    may_know,
    may_log,
    may_pull,
    may_run,
    may_use,
)
from syncroom.errors import Conflict, LimitExceeded, Malformed, Misconfigured, NotFound, Unavailable
from syncroom.protocol.meshagent import binary_content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncroom.apis.calls import Stream
    from syncroom.auth.scopes import ContainersGrant
    from syncroom.engine import Attached, Engine
    from syncroom.limits import Limits
    from syncroom.protocol.meshagent import Content

    Environment = Callable[[Caller, str], dict[str, str]]
    """What an agent of a name in a container needs to join the room for a caller."""

_STATES = {
    "created": "CREATED",
    "running": "RUNNING",
    "paused": "RUNNING",
    "restarting": "RUNNING",
    "exited": "EXITED",
    "dead": "EXITED",
}

_OUTPUT, _EXIT, _RESIZE, _KILL, _END = 1, 3, 4, 5, 255
"""Channels of what is said about a command, beside 2, its errors."""

_KILLED = 137
_STOP_S = 10
_EXIT_WAITS, _EXIT_WAIT_S = 100, 0.05
"""An engine may learn a little later than its reader that a command has ended."""

_REMOVALS, _REMOVAL_WAIT_S = 5, 0.2

_SERVER, _ROOM = "syncroom.server", "syncroom.room"
_STARTER, _STARTER_NAME = "syncroom.started-by", "syncroom.started-by-name"
_NAME, _PRIVATE = "syncroom.name", "syncroom.private"


class Containers(Toolkit):
    """The containers of one room.

    Args:
        engine: what they run in.
        server: tells the containers of this server from those of others on the engine.
        room: the name of the room.
        environment: makes what an agent needs to join it.
        limits: the bounds of the server.
    """

    name: ClassVar = "containers"
    grant: ClassVar = "containers"
    numbers: ClassVar = {NotFound: 6001}

    def __init__(
        self, engine: Engine, server: str, room: str, environment: Environment, limits: Limits
    ) -> None:
        self._engine = engine
        self._labels = _labels_of(server, room)
        self._environment = environment
        self._limits = limits
        self._making = asyncio.Lock()

    # -- images

    @tool(Request, may_use)
    async def list_images(self, caller: Caller, request: Request) -> dict[str, Any]:
        """The images of the engine that the caller may run or pull."""
        images = await self._engine.ask("GET", "/images/json") if self._engine.is_there else []
        grant = _grant(caller)
        shown = [_image_json(each) for each in images]
        return {
            "images": [
                each
                for each in shown
                if any(grant.can_run(it) or grant.can_pull(it) for it in each["references"])
            ]
        }

    @tool(InspectImage, may_know)
    async def inspect_image(self, caller: Caller, request: InspectImage) -> dict[str, Any]:
        """What the engine knows of an image."""
        image = await self._engine.ask("GET", f"/images/{request.image_id}/json")
        layers = (image.get("RootFS") or {}).get("Layers") or []
        shown = _image_json({**image, "Labels": (image.get("Config") or {}).get("Labels")})
        return {
            "image": shown,
            "target": {"digest": image["Id"], "annotations": []},
            "selected_manifest": None,
            "manifests": [],
            "config": {"digest": image["Id"], "annotations": []},
            "layers": [{"digest": each, "annotations": []} for each in layers],
            "content_size": image.get("Size") or 0,
        }

    @tool(Pull, may_pull)
    async def pull_image(self, caller: Caller, request: Pull) -> None:
        """Bring an image from its registry."""
        await self._pull(request.tag, request.credentials)

    # -- containers

    @tool(ListContainers, may_use)
    async def list_containers(self, caller: Caller, request: ListContainers) -> dict[str, Any]:
        """The containers of the room."""
        found = await _list(self._engine, self._labels) if self._engine.is_there else []
        shown = [_container_json(each) for each in found]
        return {"containers": [each for each in shown if request.all or each["state"] == "RUNNING"]}

    @tool(Run, may_run)
    async def run(self, caller: Caller, request: Run) -> dict[str, Any]:
        """Start a container; its image is pulled where it is not there."""
        if request.mounts or request.mount_path:
            raise Malformed("nothing can be mounted into containers here; pull files with storage")
        settings = self._settings(caller, request)
        async with self._making:
            await self._check_room(request)
            try:
                made = await self._engine.ask("POST", "/containers/create", body=settings)
            except NotFound:
                if not _grant(caller).can_pull(request.image):
                    raise denied(
                        f"to pull the image {request.image!r}, which is not here"
                    ) from None
                await self._pull(request.image, request.credentials)
                made = await self._engine.ask("POST", "/containers/create", body=settings)
        container_id: str = made["Id"]
        try:
            await self._engine.ask("POST", f"/containers/{container_id}/start")
        except Exception:
            await _remove(self._engine, container_id)
            raise
        return {"container_id": container_id}

    @tool(Stop, may_use)
    async def stop_container(self, caller: Caller, request: Stop) -> None:
        """End a container; it may finish first, unless it is forced."""
        await self._find(request.container_id)
        path, seconds = f"/containers/{request.container_id}/stop", 0 if request.force else _STOP_S
        await self._engine.ask("POST", path, params={"t": str(seconds)})

    @tool(Container, may_use)
    async def delete_container(self, caller: Caller, request: Container) -> None:
        """End a container, and forget it."""
        await self._find(request.container_id)
        await _remove(self._engine, request.container_id)

    @tool(Container, may_use)
    async def wait_for_exit(self, caller: Caller, request: Container) -> dict[str, Any]:
        """Return when a container has ended, and with which code."""
        await self._find(request.container_id)
        path = f"/containers/{request.container_id}"
        ended = await self._engine.ask("POST", f"{path}/wait", seconds=None)
        state = (await self._find(request.container_id))["State"]
        return {
            "exit_code": ended["StatusCode"],
            "reason": "oom_killed" if state.get("OOMKilled") else "exited",
            "message": state.get("Error") or None,
            "oom_killed": bool(state.get("OOMKilled")),
        }

    @stream(Logs, may_log)
    async def logs(self, caller: Caller, request: Logs, stream: Stream) -> None:
        """What a container printed, line by line; with ``follow``, also what it prints from now."""
        _check_private(await self._find(request.container_id), caller)
        reading = asyncio.ensure_future(self._send_log(request, stream))
        over = asyncio.ensure_future(_ended(stream))
        try:
            await asyncio.wait([reading, over], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            await _cancel(reading, over)

    @stream(Exec, may_use)
    async def exec(self, caller: Caller, request: Exec, stream: Stream) -> None:
        """Run a command in a container, with its input and output."""
        _check_private(await self._find(request.container_id), caller)
        is_terminal = bool(request.tty)
        settings = {
            **{f"Attach{each}": True for each in ("Stdin", "Stdout", "Stderr")},
            "Cmd": _command(request.command) or ["/bin/sh"],
            "Tty": is_terminal,
        }
        path = f"/containers/{request.container_id}/exec"
        exec_id = (await self._engine.ask("POST", path, body=settings))["Id"]
        attached = await self._engine.attach(exec_id, is_terminal=is_terminal)
        typing = asyncio.ensure_future(self._type(exec_id, attached, stream))
        printing = asyncio.ensure_future(_print(attached, stream))
        try:
            await asyncio.wait([typing, printing], return_when=asyncio.FIRST_COMPLETED)
            if typing.done() and not typing.result():
                await printing
            code = await self._exit_code(exec_id) if printing.done() else _KILLED
            status = json.dumps({"status": code}).encode()
            await stream.send(binary_content({"channel": _EXIT}, status))
        finally:
            await _cancel(typing, printing)
            await attached.close()

    # -- what takes more than an engine

    @tool(Request, may_use)
    def list_builds(self, caller: Caller, request: Request) -> dict[str, Any]:
        """There are none."""
        return {"builds": []}

    @tool(Request, may_use)
    def delete_image(self, caller: Caller, request: Request) -> NoReturn:
        """Images are shared by all rooms."""
        raise Misconfigured("images belong to the engine, for all rooms: delete them there")

    @tool(Request, may_use)
    def push_image(self, caller: Caller, request: Request) -> NoReturn:
        """There is no registry."""
        raise _without_registry()

    @tool(Request, may_use)
    def load(self, caller: Caller, request: Request) -> NoReturn:
        """There is no registry."""
        raise _without_registry()

    @tool(Request, may_use)
    def load_image(self, caller: Caller, request: Request) -> NoReturn:
        """There is no registry."""
        raise _without_registry()

    @tool(Request, may_use)
    def save_image(self, caller: Caller, request: Request) -> NoReturn:
        """There is no registry."""
        raise _without_registry()

    @stream(Request, may_use, opens_late=True)
    async def build(self, caller: Caller, request: Request, stream: Stream) -> NoReturn:
        """There is no builder."""
        raise _without_registry()

    # -- inside

    async def published_port(self, container_id: str, port: int) -> int:
        """Where a port of a container is on loopback; raises `NotFound`, `Unavailable`."""
        container = await self._find(container_id)
        bindings = container["NetworkSettings"]["Ports"].get(f"{port}/tcp")
        if not bindings:
            raise NotFound(f"the container publishes no port {port}")
        return int(bindings[0]["HostPort"])

    async def _find(self, container_id: str) -> dict[str, Any]:
        """What the engine knows of a container of this room; raises `NotFound`."""
        try:
            found: dict[str, Any] = await self._engine.ask(
                "GET", f"/containers/{container_id}/json"
            )
        except NotFound:
            raise _unknown(container_id) from None
        if not self._labels.items() <= _labels(found["Config"]).items():
            raise _unknown(container_id)
        return found

    async def _check_room(self, request: Run) -> None:
        found, allowed = await _list(self._engine, self._labels), self._limits.room_containers_max
        if len(found) >= allowed:
            raise LimitExceeded(
                f"the room has {allowed} containers, as many as it may have; delete one first"
            )
        if request.name and any(_labels(each).get(_NAME) == request.name for each in found):
            raise Conflict(f"the room has a container {request.name!r} already")

    async def _pull(self, image: str, credentials: list[Credentials] | None) -> None:
        host = image.partition("/")[0]
        for each in credentials or []:
            if each.registry in (None, "", host):
                auth = {"username": each.username, "password": each.password}
                encoded = base64.urlsafe_b64encode(json.dumps(auth).encode()).decode()
                await self._engine.pull(image, {"X-Registry-Auth": encoded})
                return
        await self._engine.pull(image, {})

    def _settings(self, caller: Caller, request: Run) -> dict[str, Any]:
        """A container as engines want it described."""
        limits, who = self._limits, caller.participant
        env = {each.key: each.value for each in request.env or []}
        if request.template == "agent":
            name = request.participant_name or request.name or "container"
            env = {**self._environment(caller, name), **env}
        labels = {**self._labels, _STARTER: who.id, _STARTER_NAME: who.name}
        if request.name:
            labels[_NAME] = request.name
        if request.private:
            labels[_PRIVATE] = "true"
        ports = [f"{each.container_port}/tcp" for each in request.ports or []]
        command = _command(request.command)
        return {
            "Image": request.image,
            **({"Cmd": command} if command else {}),
            "WorkingDir": request.working_dir or "",
            "Env": [f"{key}={value}" for key, value in env.items()],
            "Labels": labels,
            "ExposedPorts": {each: {} for each in ports},
            "HostConfig": {
                "Memory": limits.container_memory_bytes_max,
                "NanoCpus": int(limits.container_cpus_max * 1e9),
                "PidsLimit": limits.container_processes_max,
                "ReadonlyRootfs": request.writable_root_fs is False,
                "SecurityOpt": ["no-new-privileges"],
                "PortBindings": {each: [{"HostIp": "127.0.0.1", "HostPort": ""}] for each in ports},
            },
        }

    async def _send_log(self, request: Logs, stream: Stream) -> None:
        params = {"stdout": "true", "stderr": "true", "follow": str(request.follow).lower()}
        rests = {1: b"", 2: b""}
        path = f"/containers/{request.container_id}/logs"
        async with aclosing(self._engine.output(path, params)) as output:
            async for channel, data in output:
                *lines, rests[channel] = (rests[channel] + data).split(b"\n")
                for line in lines:
                    await stream.send(_line(line))
        for line in filter(None, rests.values()):
            await stream.send(_line(line))

    async def _type(self, exec_id: str, attached: Attached, stream: Stream) -> bool:
        """Give a command what its caller sends; return whether it is to be killed."""
        async for content in stream:
            headers = content.header.get("headers")
            channel = headers.get("channel") if isinstance(headers, dict) else None
            if channel == _OUTPUT:
                await attached.write(content.payload)
            elif channel == _END:
                attached.end_input()
            elif channel == _KILL:
                return True
            elif channel == _RESIZE and isinstance(headers, dict):
                size = {"w": str(headers.get("width")), "h": str(headers.get("height"))}
                await self._engine.ask("POST", f"/exec/{exec_id}/resize", params=size)
        return False

    async def _exit_code(self, exec_id: str) -> int:
        for _ in range(_EXIT_WAITS):
            state = await self._engine.ask("GET", f"/exec/{exec_id}/json")
            if not state["Running"]:
                break
            await asyncio.sleep(_EXIT_WAIT_S)
        return int(state["ExitCode"] or 0)


async def end_containers(engine: Engine, server: str, room: str) -> None:
    """End all containers of a room that is deleted; raises `Unavailable`."""
    if engine.is_there:
        for each in await _list(engine, _labels_of(server, room)):
            await _remove(engine, each["Id"])


async def _list(engine: Engine, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    label = [f"{name}={value}" for name, value in labels.items()]
    params = {"all": "true", "filters": json.dumps({"label": label})}
    found: list[dict[str, Any]] = await engine.ask("GET", "/containers/json", params=params)
    return found


async def _remove(engine: Engine, container_id: str) -> None:
    path, params = f"/containers/{container_id}", {"force": "true", "v": "true"}
    for _ in range(_REMOVALS - 1):
        try:
            await engine.ask("DELETE", path, params=params)
        except Unavailable:  # as when it ends at this moment
            await asyncio.sleep(_REMOVAL_WAIT_S)
        else:
            return
    await engine.ask("DELETE", path, params=params)


def _labels_of(server: str, room: str) -> dict[str, str]:
    return {_SERVER: server, _ROOM: room}


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)


async def _print(attached: Attached, stream: Stream) -> None:
    while (piece := await attached.read()) is not None:
        channel, data = piece
        await stream.send(binary_content({"channel": channel}, data))


async def _ended(stream: Stream) -> None:
    async for _ in stream:
        pass


def _line(line: bytes) -> Content:
    text = line.decode(errors="replace")
    return binary_content({"channel": _OUTPUT}, text.encode() + b"\n")


def _grant(caller: Caller) -> ContainersGrant:
    scope = caller.participant.scope
    assert scope is not None and scope.containers is not None
    return scope.containers


def _labels(thing: dict[str, Any]) -> dict[str, str]:
    return thing.get("Labels") or {}


def _check_private(container: dict[str, Any], caller: Caller) -> None:
    labels = _labels(container["Config"])
    if _PRIVATE in labels and labels[_STARTER] != caller.participant.id:
        raise denied("the container is private to who started it")


def _command(command: str | list[str] | None) -> list[str]:
    if not isinstance(command, str):
        return command or []
    try:
        return shlex.split(command)
    except ValueError as error:
        raise Malformed(f"the command can't be split into words: {error}") from None


def _container_json(container: dict[str, Any]) -> dict[str, Any]:
    labels = _labels(container)
    return {
        "id": container["Id"],
        "image": container["Image"],
        "image_id": container["ImageID"],
        "name": labels.get(_NAME),
        "status": container["Status"],
        "state": _STATES.get(container["State"], "UNKNOWN"),
        "started_by": {"id": labels[_STARTER], "name": labels[_STARTER_NAME]},
        "private": _PRIVATE in labels,
        "ports": [],  # SDKs do not agree on what they are
    }


def _image_json(image: dict[str, Any]) -> dict[str, Any]:
    names = image.get("RepoTags") or []
    labels = _labels(image)
    return {
        "id": image["Id"],
        "preferred_ref": names[0] if names else None,
        "references": names,
        "labels": [{"key": key, "value": value} for key, value in labels.items()],
    }


def _unknown(container_id: str) -> NotFound:
    return NotFound(f"the room has no container {container_id!r}")


def _without_registry() -> Misconfigured:
    return Misconfigured(
        "images are not built, loaded, saved or pushed on this server: it has no registry; "
        "build them elsewhere and pull them"
    )
