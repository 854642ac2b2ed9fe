from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import durable, fanout
from benchmarks.client import Document
from benchmarks.errors import MeasurementFailed
from benchmarks.load import Crowd
from benchmarks.process import Cores
from benchmarks.servers import Syncroom
from benchmarks.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.servers import Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the suite reads /proc")


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite([Syncroom()], Cores.of_this_machine(), tmp_path, is_quick=True)


@pytest.fixture
def server(suite: Suite) -> Iterator[Server]:
    with suite.servers() as (servers, failures):
        assert failures == []
        yield servers[0]


@pytest.mark.parametrize("clients", [2, 12])
def test_every_keystroke_reaches_every_other_client(
    suite: Suite, server: Server, clients: int
) -> None:
    sample = suite.sample(server, "", lambda: fanout.deliver(suite, server, clients))

    assert sample.failure is None
    assert sample.values["delivered"] > 0
    assert sample.values["delivered"] % (clients - 1) == 0


def test_every_lone_update_comes_back_durable(suite: Suite, server: Server) -> None:
    synced_us: list[float] = []

    sample = suite.sample(server, "", lambda: durable.save_one_by_one(suite, server, 5, synced_us))

    assert sample.failure is None
    assert sample.values["returned"] == 5
    assert len(synced_us) == 5


def test_a_lost_delivery_fails_the_measurement(suite: Suite, server: Server) -> None:
    document = Document(suite.document(), server, suite.keys, writers=1)
    with Crowd() as crowd:
        crowd.gather([document], 3)
        document.type(0, 4)
        document.sent[0] += 1

        with pytest.raises(MeasurementFailed, match="2 of 10 deliveries were lost"):
            crowd.drain([document], silent_s_max=0.5)


def test_a_server_that_ends_fails_that_measurement_and_no_other(
    suite: Suite, server: Server
) -> None:
    def stop() -> dict[str, float]:
        server.stop()
        return {}

    ended = suite.sample(server, "", stop)
    after = suite.sample(server, "", lambda: fanout.deliver(suite, server, 2))

    assert ended.failure == "ended by itself: "
    assert after.failure is None
