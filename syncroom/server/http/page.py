"""The page: files that were built from ``syncroom/web`` and travel in the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

DIST = Path(__file__).parents[2] / "web" / "dist"

_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Assets(StaticFiles):
    """Files that bear the hash of their content in their name: they never change."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


async def _index(_: Request) -> Response:
    return FileResponse(DIST / "index.html", headers=_HEADERS)


def routes() -> list[BaseRoute]:
    """The page and what it loads."""
    assets = _Assets(directory=DIST / "assets", check_dir=False)
    return [Route("/", _index), Mount("/assets", assets)]
