"""The page: built files, with headers that keep tokens and scripts where they belong."""

from __future__ import annotations

import re

import pytest

from syncroom.server.http.page import DIST
from tests.server.local import RawSocket, dialled, http_client, local


async def test_the_page_comes_with_a_policy_for_its_scripts_and_no_referrer() -> None:
    async with local() as server, http_client(server) as client:
        answer = await client.get("/")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy or "unsafe" not in policy.split("script-src")[1]


async def test_all_that_the_page_loads_is_there_and_from_here() -> None:
    async with local() as server, http_client(server) as client:
        page = (await client.get("/")).text
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
        answers = [await client.get(path) for path in loaded if not path.startswith("data:")]

    assert loaded
    assert all(not path.startswith(("http:", "https:", "//")) for path in loaded)
    assert [answer.status_code for answer in answers] == [200] * len(answers)


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../__init__.py",
        "/assets/%2e%2e/%2e%2e/__init__.py",
        "/assets/..%2f..%2f__init__.py",
        "/assets//etc/passwd",
        "/assets/%00",
        "/assets/",
        "/index.html.bak",
    ],
)
async def test_no_path_leads_out_of_the_assets(path: str) -> None:
    async with local() as server, dialled(server, None) as raw:
        status = await _status(raw, path)

    assert status in (400, 404, 405)


async def _status(raw: RawSocket, path: str) -> int:
    raw.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await raw.end()
    assert b"root:" not in answer and b"__future__" not in answer
    return int(answer.split(b" ", 2)[1])


def test_the_built_files_are_kept_in_the_package() -> None:
    assert (DIST / "index.html").is_file()
