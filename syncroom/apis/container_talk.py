"""What passes between a container and who talks with it: what it prints, and commands in it."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from syncroom.protocol.meshagent import binary_content

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from syncroom.apis.builds import Build
    from syncroom.apis.calls import Stream
    from syncroom.engine import Attached, Engine
    from syncroom.protocol.meshagent import Content

_OUTPUT, _EXIT, _RESIZE, _KILL, _END = 1, 3, 4, 5, 255
"""Channels of what is said about a command, beside 2, its errors."""

_KILLED = 137
_EXIT_WAITS, _EXIT_WAIT_S = 100, 0.05
"""An engine may learn a little later than its reader that a command has ended."""


async def send_log(engine: Engine, container_id: str, stream: Stream, *, follow: bool) -> None:
    """Send what a container printed, line by line, until its end or that of who reads."""
    await _while_read(stream, _send_lines(engine, container_id, stream, follow))


async def send_build(build: Build, stream: Stream, *, follow: bool) -> None:
    """Send what a build prints, and how it ended, until that or the end of who reads."""
    await _while_read(stream, _send_build(build, stream, follow))


async def _while_read(stream: Stream, work: Coroutine[Any, Any, None]) -> None:
    sending = asyncio.ensure_future(work)
    over = asyncio.ensure_future(_ended(stream))
    try:
        await asyncio.wait([sending, over], return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
    finally:
        await _cancel(sending, over)


async def talk(
    engine: Engine, container_id: str, command: list[str], stream: Stream, *, is_terminal: bool
) -> None:
    """Run a command in a container, with its input and output, until it ends or is given up."""
    settings = {
        **{f"Attach{each}": True for each in ("Stdin", "Stdout", "Stderr")},
        "Cmd": command,
        "Tty": is_terminal,
    }
    made = await engine.ask("POST", f"/containers/{container_id}/exec", body=settings)
    exec_id = made["Id"]
    attached = await engine.attach(exec_id, is_terminal=is_terminal)
    typing = asyncio.ensure_future(_type(engine, exec_id, attached, stream))
    printing = asyncio.ensure_future(_print(attached, stream))
    try:
        await asyncio.wait([typing, printing], return_when=asyncio.FIRST_COMPLETED)
        if typing.done() and not typing.result():
            await printing
        code = await _exit_code(engine, exec_id) if printing.done() else _KILLED
        await stream.send(_status(code))
    finally:
        await _cancel(typing, printing)
        await attached.close()


async def _send_lines(engine: Engine, container_id: str, stream: Stream, follow: bool) -> None:
    params = {"stdout": "true", "stderr": "true", "follow": str(follow).lower()}
    rests = {1: b"", 2: b""}
    async with aclosing(engine.output(f"/containers/{container_id}/logs", params)) as output:
        async for channel, data in output:
            *lines, rests[channel] = (rests[channel] + data).split(b"\n")
            for line in lines:
                await stream.send(_line(line))
    for line in filter(None, rests.values()):
        await stream.send(_line(line))


async def _send_build(build: Build, stream: Stream, follow: bool) -> None:
    async for line in build.lines(follow=follow):
        await stream.send(_line(line.encode()))
    if build.exit_code is not None:
        await stream.send(_status(build.exit_code))


async def _type(engine: Engine, exec_id: str, attached: Attached, stream: Stream) -> bool:
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
            await engine.ask("POST", f"/exec/{exec_id}/resize", params=size)
    return False


async def _print(attached: Attached, stream: Stream) -> None:
    while (piece := await attached.read()) is not None:
        channel, data = piece
        await stream.send(binary_content({"channel": channel}, data))


async def _exit_code(engine: Engine, exec_id: str) -> int:
    for _ in range(_EXIT_WAITS):
        state = await engine.ask("GET", f"/exec/{exec_id}/json")
        if not state["Running"]:
            break
        await asyncio.sleep(_EXIT_WAIT_S)
    return int(state["ExitCode"] or 0)


async def _ended(stream: Stream) -> None:
    async for _ in stream:
        pass


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)


def _line(line: bytes) -> Content:
    text = line.decode(errors="replace")
    return binary_content({"channel": _OUTPUT}, text.encode() + b"\n")


def _status(code: int) -> Content:
    return binary_content({"channel": _EXIT}, json.dumps({"status": code}).encode())
