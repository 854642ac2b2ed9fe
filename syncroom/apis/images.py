"""
The images that containers are made from. They are the engine's, and all rooms share them.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, NoReturn

from syncroom.apis.base import Caller, Request, Toolkit, stream, tool
from syncroom.apis.container_requests import (
    Credentials,
    InspectImage,
    Pull,
    grant_of,
    may_know,
    may_pull,
    may_use,
)
from syncroom.apis.room_containers import labels_of
from syncroom.errors import Misconfigured

if TYPE_CHECKING:
    from syncroom.apis.calls import Stream
    from syncroom.engine import Engine


class Images(Toolkit):
    """The tools for images.

    Args:
        engine: what holds them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @tool(Request, may_use)
    async def list_images(self, caller: Caller, request: Request) -> dict[str, Any]:
        """The images of the engine that the caller may run or pull."""
        images = await self._engine.ask("GET", "/images/json") if self._engine.is_there else []
        grant = grant_of(caller.participant)
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
        "images are not built, loaded, saved or pushed on this server: it has no registry; "
        "build them elsewhere and pull them"
    )
