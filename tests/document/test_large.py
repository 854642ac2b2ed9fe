"""Taking large updates apart: what becomes of the process that does it, however it ends."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.document import child
from syncroom.document.large import LargeUpdates
from syncroom.errors import LimitExceeded, Malformed, Unavailable
from syncroom.limits import Limits
from tests.protocol import craft

if TYPE_CHECKING:
    from asyncio.subprocess import Process

YEAR = craft.woven(3000, 3)
start = child.start


class Started:
    """Starts processes as the server does, and keeps them."""

    def __init__(self, module: str | None = None) -> None:
        self.processes: list[Process] = []
        self._module = module

    async def __call__(self, module: str, *arguments: str) -> Process:
        self.processes.append(await start(self._module or module, *arguments))
        return self.processes[-1]


async def _take(large: LargeUpdates, data: bytes = YEAR) -> int:
    async with aclosing(large.parts(data)) as parts:
        return len([part async for part in parts])


async def test_who_stops_in_the_midst_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started()
    monkeypatch.setattr(child, "start", started)
    large = LargeUpdates(Limits(large_updates_at_once_max=1, update_parts_max=100))

    async with aclosing(large.parts(YEAR)) as parts:
        await anext(parts)
    assert started.processes[0].returncode is not None

    assert await _take(large) >= 60
    await large.close()
    await large.close()
    assert [each.returncode is None for each in started.processes] == [False, False]


async def test_a_process_that_fails_is_no_fault_of_the_update(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(child, "start", Started("syncroom.document.no_such_module"))

    with pytest.raises(Unavailable, match="try again later"):
        await _take(LargeUpdates(Limits()))
    assert "exit code 1" in caplog.text


async def test_a_process_that_the_machine_kills_took_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def start_and_kill(*arguments: Any) -> Process:
        process = await start(*arguments)
        process.kill()
        return process

    monkeypatch.setattr(child, "start", start_and_kill)

    with pytest.raises(LimitExceeded, match="several transactions"):
        await _take(LargeUpdates(Limits()))


async def test_no_more_than_some_are_taken_apart_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = Started()
    monkeypatch.setattr(child, "start", started)
    large = LargeUpdates(Limits(large_updates_at_once_max=1, update_parts_max=100))
    async with aclosing(large.parts(YEAR)) as parts:
        await anext(parts)
        second = asyncio.create_task(_take(large))
        assert len([part async for part in parts]) >= 59
        assert (len(started.processes), second.done()) == (1, False)

    assert await second >= 60
    assert len(started.processes) == 2


async def test_what_is_not_valid_is_refused_before_there_is_a_part() -> None:
    broken = craft.update(craft.section(7, 0, *[craft.gc(1)] * 5000, b"\x1f\x01"))

    with pytest.raises(Malformed, match="kind 31"):
        await _take(LargeUpdates(Limits()), broken)
