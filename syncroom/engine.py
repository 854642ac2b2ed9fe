"""
A container engine, over the HTTP API of Docker: Docker itself, or Podman's ``system service``.

Only what rooms need: questions with answers in JSON, answers that come as they arise, and the input
and output of a command that runs in a container. What an engine answers is trusted.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from syncroom.errors import Conflict, Malformed, Misconfigured, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from syncroom.errors import SyncroomError

_ANSWER_S_MAX = 60.0
_READ_BYTES = 64 << 10
_HEAD_BYTES = 8
"""Before each piece of output: its channel, three zeros, its length."""

_ERRORS: dict[int, type[SyncroomError]] = {400: Malformed, 404: NotFound, 409: Conflict}

_UPGRADE = (
    "POST /exec/{id}/start HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
    "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {length}\r\n\r\n"
)


class Engine:
    """One engine.

    Args:
        url: ``unix:///path/of/socket`` or ``http://host:port``; None where there is none.
    """

    def __init__(self, url: str | None) -> None:
        self.is_there = url is not None
        self._place = urlsplit((url or "").replace("tcp://", "http://", 1))
        self._client: httpx.AsyncClient | None = None

    def check(self) -> None:
        """Raise `Misconfigured` where there is no engine."""
        if not self.is_there:
            raise Misconfigured(
                "containers are not available on this server: no container engine is configured; "
                "set SYNCROOM_BACKENDS__CONTAINER_ENGINE to one, as unix:///run/docker.sock"
            )

    async def close(self) -> None:
        """Let go of its connections."""
        if self._client is not None:
            await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        seconds: float | None = _ANSWER_S_MAX,
    ) -> Any:
        """Ask, and return what is answered.

        Raises `Misconfigured` where there is no engine, `Unavailable` where it is not reached or
        fails, and `NotFound`, `Conflict`, `Malformed` as it says.
        """
        async with self._answer(method, path, params=params, json=body, timeout=seconds) as answer:
            content = await answer.aread()
        return json.loads(content) if content else None

    async def follow(
        self, method: str, path: str, **options: Any
    ) -> AsyncGenerator[dict[str, Any]]:
        """What is said by and by, each an object of JSON on a line; raises like `ask`."""
        async with self._answer(method, path, timeout=None, **options) as answer:
            async for line in answer.aiter_lines():
                if line:
                    yield json.loads(line)

    async def pull(self, image: str, headers: Mapping[str, str]) -> None:
        """Bring an image from its registry; raises like `ask`."""
        name, tag = split_tag(image)
        params = {"fromImage": name, "tag": tag}
        async with aclosing(
            self.follow("POST", "/images/create", params=params, headers=headers)
        ) as said:
            async for each in said:
                if "error" in each:
                    raise Unavailable(f"the image {image!r} can't be pulled: {each['error']}")

    async def unpack(self, container_id: str, archive: AsyncIterator[bytes]) -> None:
        """Put what a tar archive holds into a container, from its root on; raises like `ask`."""
        path, options = f"/containers/{container_id}/archive", {"timeout": _ANSWER_S_MAX}
        async with self._answer("PUT", path, params={"path": "/"}, content=archive, **options):
            pass

    async def output(
        self, path: str, params: Mapping[str, str]
    ) -> AsyncGenerator[tuple[int, bytes]]:
        """What comes on each channel, 1 or 2, until it ends; raises like `ask`."""
        rest = b""
        async with self._answer("GET", path, params=params, timeout=None) as answer:
            async for part in answer.aiter_raw():
                rest += part
                while len(rest) >= (end := _end_of_piece(rest)):
                    yield rest[0], rest[_HEAD_BYTES:end]
                    rest = rest[end:]

    async def attach(self, exec_id: str, *, is_terminal: bool) -> Attached:
        """Start a command that was made ready; raises like `ask`."""
        body = json.dumps({"Detach": False, "Tty": is_terminal})
        reader, writer = await self._connect()
        writer.write(_UPGRADE.format(id=exec_id, length=len(body)).encode() + body.encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            writer.close()
            raise _unreachable(error) from None
        if head.split(b" ", 2)[1] not in (b"101", b"200"):
            writer.close()
            raise Unavailable("the container engine does not start the command")
        return Attached(reader, writer, is_terminal)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            if self._place.scheme == "unix":
                return await asyncio.open_unix_connection(self._place.path)
            return await asyncio.open_connection(self._place.hostname, self._place.port)
        except OSError as error:
            raise _unreachable(error) from None

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[httpx.Response]:
        self.check()
        try:
            async with self._http().stream(method, path, **options) as answer:
                if answer.status_code >= 400:
                    said = _message(await answer.aread())
                    kind = _ERRORS.get(answer.status_code, Unavailable)
                    raise kind(f"the container engine says: {said}")
                yield answer
        except httpx.HTTPError as error:
            raise _unreachable(error) from None

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            is_unix = self._place.scheme == "unix"
            transport = httpx.AsyncHTTPTransport(
                uds=self._place.path if is_unix else None,
                limits=httpx.Limits(max_connections=None),  # who waits for an exit holds one
            )
            base = "http://engine" if is_unix else self._place.geturl()
            self._client = httpx.AsyncClient(transport=transport, base_url=base)
        return self._client


class Attached:
    """The input and output of a command."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_terminal: bool
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._is_terminal = is_terminal

    async def read(self) -> tuple[int, bytes] | None:
        """The next output and its channel, 1 or 2; None at the end."""
        try:
            if self._is_terminal:
                data = await self._reader.read(_READ_BYTES)
                return (1, data) if data else None
            head = await self._reader.readexactly(_HEAD_BYTES)
            return head[0], await self._reader.readexactly(int.from_bytes(head[4:], "big"))
        except (OSError, asyncio.IncompleteReadError):
            return None

    async def write(self, data: bytes) -> None:
        """Give it input; waits while it takes none. Input after its end is nobody's."""
        if not self._writer.is_closing():
            self._writer.write(data)
            try:
                await self._writer.drain()
            except OSError:
                self._writer.close()

    def end_input(self) -> None:
        """There is no more input."""
        if not self._writer.is_closing() and self._writer.can_write_eof():
            self._writer.write_eof()

    async def close(self) -> None:
        """Listen no more."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def split_tag(image: str) -> tuple[str, str]:
    """The name of an image, and its tag or digest."""
    if "@" in image:
        name, _, digest = image.partition("@")
        return name, digest
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")


def _end_of_piece(data: bytes) -> int:
    """Where the first piece of output ends, as far as that is known."""
    length = int.from_bytes(data[4:_HEAD_BYTES], "big") if len(data) >= _HEAD_BYTES else 0
    return _HEAD_BYTES + length


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace")[:200]


def _unreachable(error: Exception) -> Unavailable:
    reason = str(error) or type(error).__name__
    return Unavailable(f"the container engine can't be reached: {reason}")
