"""A program that drives published clients: a line of JSON for each request and each answer."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WAIT_S = 60.0


def need(missing: str) -> None:
    """Skip what can't run here; where everything is promised to be there, fail instead."""
    if os.environ.get("CI"):
        pytest.fail(f"{missing}, and CI promises it")
    pytest.skip(missing)


class ClientError(Exception):
    """What a client raised, as its user sees it."""

    def __init__(self, kind: str, message: str, code: int | None) -> None:
        super().__init__(f"{kind}: {message} (code {code})")
        self.kind = kind
        self.message = message
        self.code = code


class Driver:
    """Answers find their requests by number, so any number of clients may wait at a time."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._complaints: list[str] = []
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [
            threading.Thread(target=self._read_answers, daemon=True),
            threading.Thread(target=self._read_complaints, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                answer = json.loads(line)
                _hand_over(self._answers.pop(answer["id"]), answer)
        for future in self._answers.values():
            _hand_over(future, {"error": f"the driver has ended: {self._complaints[-20:]}"})

    def _read_complaints(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            self._complaints.extend(stream)

    def begin(self, request: str, **details: Any) -> asyncio.Future[Any]:
        """Send a request now, for an answer later."""
        number = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "request": request} | details) + "\n")
        self._process.stdin.flush()
        return future

    async def request(self, request: str, **details: Any) -> Any:
        future = self.begin(request, **details)
        async with asyncio.timeout(WAIT_S + 10):
            return await future

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(WAIT_S)
        for reader in self._readers:
            reader.join()


def _hand_over(future: asyncio.Future[Any], answer: dict[str, Any]) -> None:
    # A test that gave up waiting has taken its event loop along.
    if not future.get_loop().is_closed():
        future.get_loop().call_soon_threadsafe(_settle, future, answer)


def _settle(future: asyncio.Future[Any], answer: dict[str, Any]) -> None:
    if future.done():
        return
    error = answer.get("error")
    if error is None:
        future.set_result(answer["result"])
    elif isinstance(error, dict):
        future.set_exception(ClientError(**error))
    else:
        future.set_exception(AssertionError(error))
