"""
The images that containers are made from: those of the engine, which all rooms share, and those
that the room builds, which are its own.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, NoReturn

from syncroom.apis.base import Caller, Request, Toolkit, stream, tool
from syncroom.apis.container_requests import (
    BuildImage,
    BuildLogs,
    BuildOf,
    Credentials,
    DeleteImage,
    InspectImage,
    Pull,
    grant_of,
    may_build,
    may_know,
    may_log,
    may_pull,
    may_use,
)
from syncroom.apis.container_talk import send_build
from syncroom.apis.room_containers import labels_of
from syncroom.apis.storage import next_part
from syncroom.errors import LimitExceeded, Misconfigured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from syncroom.apis.builds import Builds
    from syncroom.apis.calls import Stream
    from syncroom.apis.room_images import RoomImages
    from syncroom.limits import Limits


class Images(Toolkit):
    """The tools for images.

    Args:
        images: those that there are.
        builds: what makes more of them.
        limits: the bounds of the server.
    """

    def __init__(self, images: RoomImages, builds: Builds, limits: Limits) -> None:
        self._engine = images.engine
        self._images = images
        self._builds = builds
        self._limits = limits

    @tool(Request, may_use)
    async def list_images(self, caller: Caller, request: Request) -> dict[str, Any]:
        """The images that the caller may run or pull."""
        grant = grant_of(caller.participant)
        shown = [_image_json(each) for each in await self._images.list()]
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
        _, image = await self._images.find(request.image_id)
        layers = (image.get("RootFS") or {}).get("Layers") or []
        return {
            "image": _image_json(image),
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

    @tool(DeleteImage, may_use)
    async def delete_image(self, caller: Caller, request: DeleteImage) -> None:
        """Delete an image that the room built; the others are shared by all rooms."""
        await self._images.remove(request.image)

    @stream(BuildImage, may_build, opens_late=True)
    async def build(self, caller: Caller, request: BuildImage, stream: Stream) -> dict[str, Any]:
        """Build an image from a tar archive; answers when that is whole."""
        return {"build_id": (await self._builds.begin(request, self._context(stream))).id}

    @tool(Request, may_use)
    def list_builds(self, caller: Caller, request: Request) -> dict[str, Any]:
        """The last builds of the room."""
        return {"builds": [each.describe() for each in self._builds.known]}

    @stream(BuildLogs, may_log)
    async def get_build_logs(self, caller: Caller, request: BuildLogs, stream: Stream) -> None:
        """What a build prints, and how it ended."""
        await send_build(self._builds.find(request.build_id), stream, follow=request.follow)

    @tool(BuildOf, may_use)
    async def cancel_build(self, caller: Caller, request: BuildOf) -> None:
        """End a build."""
        await self._builds.cancel(self._builds.find(request.build_id))

    @tool(BuildOf, may_use)
    async def delete_build(self, caller: Caller, request: BuildOf) -> None:
        """End a build and forget it."""
        await self._builds.delete(self._builds.find(request.build_id))

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

    async def _context(self, stream: Stream) -> AsyncIterator[bytes]:
        size, allowed = 0, self._limits.build_bytes_max
        while (part := await next_part(stream, self._limits.transfer_stalled_s_max)) is not None:
            size += len(part.payload)
            if size > allowed:
                raise LimitExceeded(f"what an image is built from may have {allowed} bytes")
            yield part.payload

    async def _pull(self, image: str, credentials: list[Credentials] | None) -> None:
        host = image.partition("/")[0]
        for each in credentials or []:
            if each.registry in (None, "", host):
                auth = {"username": each.username, "password": each.password}
                encoded = base64.urlsafe_b64encode(json.dumps(auth).encode()).decode()
                await self._engine.pull(image, {"X-Registry-Auth": encoded})
                return
        await self._engine.pull(image, {})


def _image_json(image: dict[str, Any]) -> dict[str, Any]:
    names = image.get("RepoTags") or []
    return {
        "id": image["Id"],
        "preferred_ref": names[0] if names else None,
        "references": names,
        "labels": [{"key": key, "value": value} for key, value in labels_of(image).items()],
    }


def _without_registry() -> Misconfigured:
    return Misconfigured(
        "images are not loaded, saved or pushed on this server: it has no registry; "
        "build them here, or elsewhere and pull them"
    )
