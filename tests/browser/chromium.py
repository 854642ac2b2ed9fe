"""Chromium on the page, driven by playwright-core in one Node process for a test."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.driver import WAIT_S, need

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent


def need_chromium() -> str:
    """The Chromium to run; skips the test where there is none."""
    if shutil.which("node") is None:
        need("node is not installed")
    if not (HERE / "node_modules").is_dir():
        need("playwright-core is not installed: npm ci in tests/browser")
    found = os.environ.get("SYNCROOM_CHROMIUM") or shutil.which("chromium")
    if found is None:
        need("chromium is not installed")
    assert found is not None
    return found


class Chromium:
    """A browser; each of its pages is a person with storage of their own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls) -> Chromium:
        process = await asyncio.create_subprocess_exec(
            *("node", "driver.mjs", need_chromium(), str(WAIT_S * 1000)),
            cwd=HERE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def open(self, name: str, url: str, **options: Any) -> Page:
        """A new page, as the person of that name sees it."""
        await self.request("open", page=name, url=url, **options)
        return Page(self, name)

    async def request(self, request: str, **details: Any) -> Any:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        line = json.dumps({"id": number, "request": request} | details)
        self._process.stdin.write(line.encode() + b"\n")
        return await answer

    async def close(self) -> None:
        """End the browser, and hold it to what every page owes: no errors, nothing blocked."""
        complaints = await self.request("complaints")
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._reader
        await self._process.wait()
        assert complaints == []

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer: Mapping[str, Any] = json.loads(line)
            future = self._answers.pop(answer["id"])
            if "error" in answer:
                future.set_exception(AssertionError(answer["error"]))
            else:
                future.set_result(answer["result"])
        for future in self._answers.values():
            future.set_exception(AssertionError("the browser has ended"))


class Page:
    """One page of a browser."""

    def __init__(self, chromium: Chromium, name: str) -> None:
        self._chromium = chromium
        self._name = name

    async def go_to(self, url: str) -> None:
        await self._request("goTo", url=url)

    async def type(self, text: str, *, at: str | None = None) -> None:
        """Type into the editor, once it can be typed in; ``at`` is Home, End or None."""
        await self._request("type", text=text, **({} if at is None else {"at": at}))

    async def press(self, selector: str, *keys: str) -> None:
        await self._request("press", selector=selector, keys=keys)

    async def fill(self, selector: str, text: str) -> None:
        await self._request("fill", selector=selector, text=text)

    async def click(self, selector: str, text: str = "") -> None:
        await self._request("click", selector=selector, text=text)

    async def see(self, selector: str, text: str = "") -> str:
        """Wait until something with this text is in sight; all the text that it has."""
        return str(await self._request("see", selector=selector, text=text))

    async def unsee(self, selector: str, text: str = "") -> None:
        """Wait until nothing with this text is in sight."""
        await self._request("unsee", selector=selector, text=text)

    async def read(self, *pieces: str) -> str:
        """Wait until the editor holds all these pieces; its text."""
        return str(await self._request("read", pieces=pieces))

    async def saved(self) -> None:
        """Wait until the page says that all is on the server's disk."""
        await self.see("#save-state", "Saved")

    async def _request(self, request: str, **details: Any) -> Any:
        return await self._chromium.request(request, page=self._name, **details)
