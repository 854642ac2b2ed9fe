"""
Commands in containers, with the input and the output of this one.

What is typed on a terminal goes there key by key, Ctrl-C as well; what comes in otherwise goes
there until it ends, and a terminal that is not passed on is no input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import termios
import tty
from typing import TYPE_CHECKING
from uuid import uuid4

from syncroom.cli.options import write_bytes
from syncroom.cli.room.transfer import read_input
from syncroom.errors import Malformed, Unavailable
from syncroom.protocol.meshagent import Content, binary_content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncroom.client.room import CallStream, RoomClient

_INPUT, _ERRORS, _EXIT, _RESIZE, _END = 1, 2, 3, 4, 255
"""Channels: what goes in, errors that come out, how it ended, the size of the terminal, no more."""

_PART_BYTES = 1 << 18


async def talk(
    room: RoomClient, container_id: str, command: str | None, *, is_terminal: bool
) -> int:
    """Run a command in a container, and return its exit code.

    Args:
        room: where the container is.
        container_id: its id.
        command: the command; a shell without.
        is_terminal: whether it runs on this terminal; raises `Malformed` where there is none.
    """
    start = {"kind": "start", "request_id": uuid4().hex, "container_id": container_id}
    first = binary_content(start | {"command": command, "tty": is_terminal})
    with _raw(is_terminal):
        async with room.stream("containers", "exec", first) as stream:
            work = [_type(stream, is_terminal), *([_follow_size(stream)] if is_terminal else [])]
            tasks = [asyncio.create_task(each) for each in work]
            try:
                return await _print(stream)
            finally:
                for each in tasks:
                    each.cancel()
                # a connection that fails there fails in _print as well
                await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def _raw(is_terminal: bool) -> Iterator[None]:
    """Let a terminal pass on every key; afterwards it is as it was."""
    if not is_terminal:
        yield
        return
    if not sys.stdin.isatty():
        raise Malformed("--tty takes a terminal, and standard input is none")
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


async def _type(stream: CallStream, is_terminal: bool) -> None:
    if is_terminal or not sys.stdin.isatty():
        with contextlib.suppress(OSError):  # the terminal is gone, or there is no input
            while data := await read_input(_PART_BYTES):
                await stream.send(_input(_INPUT, data))
    await stream.send(_input(_END))


async def _follow_size(stream: CallStream) -> None:
    loop, is_new = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGWINCH, is_new.set)
    try:
        while True:
            is_new.clear()
            width, height = os.get_terminal_size(sys.stdin.fileno())
            await stream.send(_input(_RESIZE, width=width, height=height))
            await is_new.wait()
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


async def _print(stream: CallStream) -> int:
    status: int | None = None
    async for content in stream:
        channel = content.header["headers"]["channel"]
        if channel == _EXIT:
            status = json.loads(content.payload)["status"]
            continue
        out = sys.stderr if channel == _ERRORS else sys.stdout
        write_bytes(content.payload, out)
    if status is None:
        raise Unavailable("the command ended without saying how")
    return status


def _input(channel: int, data: bytes = b"", **size: int) -> Content:
    return binary_content({"kind": "input", "channel": channel, **size}, data)
