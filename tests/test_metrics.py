"""What ``/metrics`` says, of a server that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from syncroom.metrics import Histogram
from tests.support import wire
from tests.support.editor import Editor
from tests.support.raw import RawClient, joined, refusal

if TYPE_CHECKING:
    from tests.conftest import ServerFactory
    from tests.support.server import Server

Samples = dict[tuple[str, tuple[str, ...]], float]


async def scrape(server: Server) -> Samples:
    """Every sample by its name, without the prefix, and the values of its labels."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{server.url}/metrics")
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("syncroom_"), tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("seconds", "counts"), [(0.5, [1, 0, 0]), (1.0, [1, 0, 0]), (1.5, [0, 1, 0]), (9.0, [0, 0, 1])]
)
def test_a_histogram_counts_up_to_each_bound(seconds: float, counts: list[int]) -> None:
    histogram = Histogram((1.0, 2.0))

    histogram.observe(seconds)

    assert histogram.counts == counts
    assert histogram.sum == seconds


async def test_who_is_here_and_what_is_open_is_shown(server: Server) -> None:
    async with joined(server.document_url("a", server.token())) as ann:
        async with joined(server.document_url("b", server.token(room="other"), "other")):
            await ann.round_trip()

            here = await scrape(server)

    assert here["connections", ("yjs",)] == 2
    assert here["rooms", ()] == 2
    assert here["documents", ()] == 2
    assert here["load_seconds_count", ()] == 2
    assert here["store_failing", ()] == 0
    assert here["lagging_readers", ()] == 0


async def test_an_update_is_counted_once_in_and_once_for_each_other_reader(server: Server) -> None:
    url = server.document_url("notes", server.token())
    ann = Editor()
    await ann.connect(url)
    async with joined(url) as ben, joined(url) as cleo:
        ann.insert(0, "hello")
        await ann.flush()
        await ann.until_acknowledged()
        for reader in (ben, cleo):
            await reader.first("update")

        seen = await scrape(server)

    sent = len(wire.update(ann.made[0]))
    assert (seen["updates_in_total", ()], seen["updates_out_total", ()]) == (1, 2)
    assert seen["fan_out_seconds_count", ()] == seen["durable_seconds_count", ()] == 1
    assert seen["bytes_in_total", ()] > sent
    assert seen["bytes_out_total", ()] > 3 * sent
    await ann.disconnect()


async def test_bytes_of_connections_that_ended_stay_counted(server: Server) -> None:
    async with joined(server.document_url("notes", server.token())):
        before = (await scrape(server))["bytes_in_total", ()]

    after = (await scrape(server))["bytes_in_total", ()]

    assert after >= before > 0


async def test_gaps_and_refusals_are_counted_by_what_and_why(server: Server) -> None:
    lonely = Editor()
    lonely.insert(0, "a")
    lonely.insert(1, "b")
    writer = server.document_url("notes", server.token())
    reader = server.document_url("notes", server.token(name="ben", sync=["notes:ro"]))
    async with joined(writer) as ann, joined(reader) as ben:
        await ann.send(wire.update(lonely.made[1]))
        await ann.first("step1", after=len(ann.received))
        await ben.send(wire.update(lonely.made[0]))
        await ben.first("denied")
    for frame in (b"\x09", wire.update(b"\x01"), wire.step1(b"\x02"), wire.awareness_payload(b"")):
        async with joined(writer) as mallory:
            await mallory.send(frame)
            await mallory.closed()
    await refusal(server.document_url("notes", None))

    seen = await scrape(server)

    assert seen["gaps_total", ()] == 1
    assert seen["messages_refused_total", ("update", "read_only")] == 1
    for part in ("frame", "update", "vector", "presence"):
        assert seen["messages_refused_total", (part, "malformed")] == 1, part
    assert seen["connections_refused_total", ("1007",)] == 4
    assert seen["connections_refused_total", ("4401",)] == 1


async def test_refused_connections_that_are_held_are_shown(start_server: ServerFactory) -> None:
    server = start_server(refusal_s=3600)
    async with await RawClient.open(server.document_url("notes", None)) as held:
        await held.first("denied")

        seen = await scrape(server)

        assert seen["connections_held", ()] == 1
        assert seen["connections", ("yjs",)] == 0
        await held.cut()


async def test_the_event_loop_is_watched(server: Server) -> None:
    seen = await scrape(server)
    while not seen["loop_lag_seconds_count", ()]:
        seen = await scrape(server)


async def test_no_metric_names_a_room_a_document_or_a_participant(server: Server) -> None:
    token = server.token(room="secret-room", name="secret-ann")
    async with joined(server.document_url("secret-path", token, "secret-room")):
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{server.url}/metrics")).text

    assert "secret" not in text
