"""
Builds of images, one at a time in a room, and what they print.

A build goes on when who began it leaves. What is known of builds is in memory, of the last of them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import secrets
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from syncroom.errors import LimitExceeded, Malformed, Misconfigured, NotFound, SyncroomError
from syncroom.logs import log_incident

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from syncroom.apis.container_requests import BuildImage
    from syncroom.apis.room_images import RoomImages
    from syncroom.limits import Limits

_log = logging.getLogger("syncroom.apis.builds")

_HUB = "https://index.docker.io/v1/"
"""What engines call the registry of images without a host."""

_KNOWN_MAX = 20
_PERIOD_US = 100_000
"""Of processor time; a build may keep so many of them busy as a container may cores."""


class Build:
    """One build.

    Args:
        tags: what the image is to be called.
        log_bytes_max: how much is kept of what is printed.
    """

    def __init__(self, tags: list[str], log_bytes_max: int) -> None:
        self.id = secrets.token_hex(16)
        self.tags = tags
        self.status = "running"
        self.error: SyncroomError | None = None
        """Why it failed."""
        self.task: asyncio.Task[None] | None = None
        self._image_id = ""
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._bytes = 0
        self._bytes_max = log_bytes_max
        self._rest = ""
        self._news = asyncio.Event()

    @property
    def exit_code(self) -> int | None:
        """As of a program that builds; None while it runs."""
        return {"running": None, "succeeded": 0, "cancelled": 130}.get(self.status, 1)

    def describe(self) -> dict[str, Any]:
        """The build, as SDKs are told of it."""
        images = [
            {"tag": tag, "digest": self._image_id, "resolved_ref": tag, "optimized": False}
            for tag in self.tags
        ]
        return {
            "id": self.id,
            "tag": self.tags[0],
            "status": self.status,
            "exit_code": self.exit_code,
            "published_images": images if self.status == "succeeded" else [],
        }

    def take(self, said: dict[str, Any]) -> None:
        """Keep a piece of what the engine says; raises `Malformed` where that is why it failed."""
        self._image_id = (said.get("aux") or {}).get("ID", self._image_id)
        *lines, self._rest = (self._rest + (said.get("stream") or "")).split("\n")
        for line in lines:
            self._print(line)
        if "error" in said:
            raise Malformed(str(said["error"]).strip())

    def end(self, status: str, why: str = "") -> None:
        """It is over; whoever follows it hears so."""
        for line in filter(None, (self._rest, why)):
            self._print(line)
        self.status = status
        self._news.set()

    async def lines(self, *, follow: bool) -> AsyncIterator[str]:
        """What it printed; with ``follow``, also what it prints until its end."""
        at = 0
        while True:
            news = self._news
            at = max(at, self._dropped)
            while at < self._dropped + len(self._lines):
                yield self._lines[at - self._dropped]
                at = max(at + 1, self._dropped)
            if not follow or self.exit_code is not None:
                return
            await news.wait()

    def _print(self, line: str) -> None:
        self._lines.append(line[-self._bytes_max :])
        self._bytes += len(self._lines[-1])
        while self._bytes > self._bytes_max:
            self._bytes -= len(self._lines.popleft())
            self._dropped += 1
        self._news.set()
        self._news = asyncio.Event()


class Builds:
    """The builds of one room.

    Args:
        images: what they make.
        is_allowed: whether there may be any.
        limits: the bounds of the server.
    """

    def __init__(self, images: RoomImages, is_allowed: bool, limits: Limits) -> None:
        self._images = images
        self._is_allowed = is_allowed
        self._limits = limits
        self._known: dict[str, Build] = {}
        self._running: asyncio.Task[None] | None = None
        """It also keeps this object, and so the count of one, while the room is forgotten."""

    @property
    def known(self) -> list[Build]:
        """The last of them, the newest at the end."""
        return list(self._known.values())

    def find(self, build_id: str) -> Build:
        """A build; raises `NotFound`, and `Misconfigured` where there can be none."""
        self._images.engine.check()
        if build_id not in self._known:
            raise NotFound(f"the room knows no build {build_id[:80]!r}")
        return self._known[build_id]

    async def begin(self, request: BuildImage, context: AsyncIterator[bytes]) -> Build:
        """Begin a build; returns when its context is whole.

        Raises `Misconfigured` where there are to be none, `LimitExceeded` where one runs, and what
        ends it so early.
        """
        if self._images.engine.is_there and not self._is_allowed:
            raise Misconfigured(
                "images are not built on this server: set SYNCROOM_BACKENDS__CONTAINER_BUILDS=true"
            )
        if self._running is not None and not self._running.done():
            raise LimitExceeded("the room builds an image at present; wait for it, or cancel it")
        build, whole = Build(request.names, self._limits.build_log_bytes_max), asyncio.Event()
        running = asyncio.create_task(self._run(build, request, _told(context, whole)))
        self._running = build.task = running
        sent = asyncio.create_task(whole.wait())
        try:
            await asyncio.wait([running, sent], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            running.cancel()
            raise
        finally:
            sent.cancel()
        if build.error is not None and not whole.is_set():
            raise build.error
        self._known[build.id] = build
        for each in list(self._known)[:-_KNOWN_MAX]:
            del self._known[each]
        return build

    async def cancel(self, build: Build) -> None:
        """End a build, if it runs."""
        if build.task is not None and not build.task.done():
            build.task.cancel()
            await asyncio.wait([build.task])

    async def delete(self, build: Build) -> None:
        """End a build, and forget it; what it made stays."""
        await self.cancel(build)
        self._known.pop(build.id, None)

    def end(self) -> None:
        """End what runs, for the room is deleted."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self, build: Build, request: BuildImage, context: AsyncIterator[bytes]) -> None:
        try:
            async with asyncio.timeout(self._limits.build_s_max):
                await self._build(build, request, context)
        except asyncio.CancelledError:
            build.end("cancelled", "the build was cancelled")
            raise
        except TimeoutError:
            build.end("failed", f"the build was given up after {self._limits.build_s_max:g} s")
        except SyncroomError as error:
            build.error = error
            build.end("failed", str(error))
        except Exception as error:
            incident = log_incident(_log, "a build failed", error, build=build.id)
            build.end("failed", f"internal error, incident {incident}")
        else:
            build.end("succeeded")

    async def _build(
        self, build: Build, request: BuildImage, context: AsyncIterator[bytes]
    ) -> None:
        allowed = self._limits.room_images_max
        if len(await self._images.built()) >= allowed:
            raise LimitExceeded(
                f"the room has {allowed} images, as many as it may have; delete one first"
            )
        said = self._images.engine.follow(
            "POST",
            "/build",
            params=self._params(request),
            headers=_headers(request),
            content=context,
        )
        async with aclosing(said):
            async for each in said:
                build.take(each)

    def _params(self, request: BuildImage) -> list[tuple[str, str]]:
        limits = self._limits
        quota_us = int(limits.container_cpus_max * _PERIOD_US)
        bounds = {
            "memory": limits.container_memory_bytes_max,
            "memswap": limits.container_memory_bytes_max,
            "cpuperiod": _PERIOD_US,
            "cpuquota": quota_us,
        }
        return [
            *(("t", self._images.own(each)) for each in request.names),
            ("dockerfile", request.dockerfile),
            ("labels", json.dumps(self._images.labels)),
            ("rm", "true"),
            ("forcerm", "true"),
            *((name, str(value)) for name, value in bounds.items()),
        ]


async def _told(parts: AsyncIterator[bytes], whole: asyncio.Event) -> AsyncIterator[bytes]:
    async for part in parts:
        yield part
    whole.set()


def _headers(request: BuildImage) -> dict[str, str]:
    credentials = {
        each.registry or _HUB: {"username": each.username, "password": each.password}
        for each in request.credentials or []
    }
    encoded = base64.urlsafe_b64encode(json.dumps(credentials).encode()).decode()
    return {"Content-Type": "application/x-tar", "X-Registry-Config": encoded}
