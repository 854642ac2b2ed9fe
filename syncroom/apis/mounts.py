"""
The volumes of a room that containers could mount: there are none on this server.
Grant: `containers`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from syncroom.apis.base import Caller, Request, Toolkit, tool
from syncroom.apis.container_requests import may_use


class Mounts(Toolkit):
    """The volumes of one room."""

    name: ClassVar = "mounts"
    grant: ClassVar = "containers"

    @tool(Request, may_use)
    def list(self, caller: Caller, request: Request) -> dict[str, Any]:
        """List them."""
        return {"volumes": []}
