"""The log of a room: who may write and follow it, what is kept, and what slow readers miss."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.apis.developer import Developer
from syncroom.auth.scopes import ApiScope, DeveloperGrant
from syncroom.errors import LimitExceeded
from syncroom.limits import Limits
from syncroom.protocol.meshagent import CLOSE, OPEN, RESPONSE_CHUNK
from tests.apis.fakes import Asked, FakeCaller, ask

if TYPE_CHECKING:
    from collections.abc import Mapping


class SlowCaller(FakeCaller):
    """A caller that reads only when it is let."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.reads = asyncio.Event()
        self.reads.set()

    async def drained(self) -> None:
        await self.reads.wait()


def _developer(**limits: int) -> Developer:
    return Developer(Limits.model_validate(limits))


async def _follow(developer: Developer, caller: FakeCaller) -> Asked:
    asked = ask(developer, "logs", caller, OPEN)
    await _turns()
    return asked


async def _turns() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


def _heard(caller: FakeCaller) -> list[tuple[str, Mapping[str, Any]]]:
    """The types and data of the entries that came."""
    chunks = [each for each in caller.sent if each.kind == RESPONSE_CHUNK]
    return [
        (each.header["chunk"]["headers"]["type"], json.loads(each.payload))
        for each in chunks
        if each.header["chunk"]["type"] == "binary"
    ]


async def test_what_is_logged_reaches_who_follows_in_order_and_as_it_was_said() -> None:
    developer, ann, bob = _developer(), FakeCaller("ann"), FakeCaller("bob")
    followed = await _follow(developer, bob)

    for number in range(3):
        asked = ask(developer, "log", ann, {"type": "step", "data": {"number": number}})
        assert asked.answer == {"type": "empty"}
    await _turns()

    assert followed.answers == [OPEN]
    assert _heard(bob) == [("step", {"number": number}) for number in range(3)]


@pytest.mark.parametrize("kind", ["info", "warning", "error"])
async def test_a_line_comes_with_a_companion_that_opentelemetry_reads(kind: str) -> None:
    developer, ann = _developer(), FakeCaller("ann")
    await _follow(developer, ann)

    ask(developer, kind, ann, {"message": "done", "extra": {"files": 3}})
    await _turns()

    plain, (companion, data) = _heard(ann)
    assert plain == (kind, {"files": 3, "message": "done"})
    assert companion == "otel.log"
    [record] = data["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert record["severityText"] == kind.upper()
    assert record["body"] == {"stringValue": "done"}
    assert {"key": "files", "value": {"stringValue": "3"}} in record["attributes"]
    assert {"key": "participant", "value": {"stringValue": "ann"}} in record["attributes"]


async def test_a_line_may_come_without_more_than_its_text() -> None:
    developer, ann = _developer(), FakeCaller("ann")
    await _follow(developer, ann)

    ask(developer, "info", ann, {"message": "done", "extra": None})
    await _turns()

    assert _heard(ann)[0] == ("info", {"message": "done"})


async def test_who_follows_hears_nothing_of_before_and_nothing_after_its_end() -> None:
    developer, ann, bob = _developer(), FakeCaller("ann"), FakeCaller("bob")
    ask(developer, "log", ann, {"type": "before", "data": {}})
    followed = await _follow(developer, bob)
    ask(developer, "log", ann, {"type": "during", "data": {}})
    await _turns()

    followed.call.take(CLOSE)
    await followed.over.wait()
    ask(developer, "log", ann, {"type": "after", "data": {}})
    await _turns()

    assert _heard(bob) == [("during", {})]
    assert bob.sent[-1].header["chunk"] == CLOSE.header


async def test_who_leaves_follows_no_more() -> None:
    developer, ann, bob = _developer(), FakeCaller("ann"), FakeCaller("bob")
    followed = await _follow(developer, bob)

    followed.call.abandon()
    await _turns()
    ask(developer, "log", ann, {"type": "after", "data": {}})
    await _turns()

    assert _heard(bob) == []


async def test_a_slow_reader_loses_the_oldest_and_is_told_how_many() -> None:
    developer, ann, bob = _developer(room_log_entries_max=3), FakeCaller("ann"), SlowCaller("bob")
    await _follow(developer, bob)
    bob.reads.clear()

    for number in range(10):
        ask(developer, "log", ann, {"type": "step", "data": {"number": number}})
        await _turns()
    bob.reads.set()
    await _turns()

    told, companion, *rest = _heard(bob)
    assert told[0] == "warning" and told[1]["lost"] == 7
    assert companion[0] == "otel.log"
    assert rest == [("step", {"number": number}) for number in (7, 8, 9)]


async def test_a_burst_between_two_turns_is_no_more_than_what_is_kept() -> None:
    developer, ann = _developer(room_log_entries_max=3), FakeCaller("ann")
    await _follow(developer, ann)

    for number in range(10):
        ask(developer, "log", ann, {"type": "step", "data": {"number": number}})
    await _turns()

    told, _, *rest = _heard(ann)
    assert told[1]["lost"] == 7
    assert [data["number"] for _, data in rest] == [7, 8, 9]


async def test_many_bytes_push_the_oldest_out_as_many_entries_do() -> None:
    developer, ann = _developer(room_log_bytes_max=256 << 10), FakeCaller("ann")

    for number in range(100):
        ask(developer, "log", ann, {"type": "step", "data": {"n": number, "text": "x" * 20_000}})
    await _follow(developer, ann)

    kept = [each["data"]["n"] for each in developer.map._items()]  # type: ignore[index]
    assert kept == list(range(100 - len(kept), 100))
    assert 5 < len(kept) < 14


async def test_an_entry_that_would_push_out_a_quarter_is_refused() -> None:
    developer, ann = _developer(room_log_bytes_max=256 << 10), FakeCaller("ann")

    asked = ask(developer, "log", ann, {"type": "step", "data": {"text": "x" * 65_536}})

    assert asked.answer["code"] == 1002
    assert "65536 are allowed" in asked.answer["text"]
    with pytest.raises(LimitExceeded):
        developer.note("info", {"message": "x" * 65_536})


@pytest.mark.parametrize("scope", [ApiScope(), ApiScope(developer=DeveloperGrant(logs=False))])
@pytest.mark.parametrize("name", ["log", "info", "logs"])
async def test_nobody_logs_or_follows_without_the_grant(scope: ApiScope, name: str) -> None:
    developer, ann = _developer(), FakeCaller("ann", scope)
    arguments = OPEN if name == "logs" else {"type": "step", "data": {}, "message": "m"}

    asked = ask(developer, name, ann, arguments)

    assert asked.answer["code"] == 1001
    assert list(developer.map._items()) == []


@pytest.mark.parametrize(
    "request_",
    [{}, {"type": "", "data": {}}, {"type": "x" * 257, "data": {}}, {"type": "x", "data": [1]}],
)
async def test_an_entry_without_a_type_or_data_is_refused(request_: dict[str, Any]) -> None:
    asked = ask(_developer(), "log", FakeCaller("ann"), request_)

    assert asked.answer["code"] == 1002
