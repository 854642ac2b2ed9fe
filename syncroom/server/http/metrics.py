"""
``/metrics``, in the format of Prometheus.

The numbers are read when somebody asks; nothing is kept twice. They name no room, document or
participant, so that their count has a bound and they tell no secrets.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric
    from starlette.requests import Request

    from syncroom.document.host import ViewHosts
    from syncroom.metrics import Histogram
    from syncroom.server.gate import Gate

_PROTOCOLS = ("meshagent", "yjs")
_CLOSE_CODES = (1007, 1009, 1013, 4401, 4403, 4404, 4423)


class Exposition:
    """The numbers of one server, in a registry of its own."""

    def __init__(self, gate: Gate, hosts: ViewHosts) -> None:
        self._gate = gate
        self._hosts = hosts
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self.routes = [Route("/metrics", self._answer)]

    def collect(self) -> Iterator[Metric]:
        """Every metric with its value now."""
        yield from self._gauges()
        yield from self._counters()
        yield from self._histograms()

    def describe(self) -> list[Metric]:
        """Nothing: what is to come is known without asking."""
        return []

    async def _answer(self, _: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def _gauges(self) -> Iterator[Metric]:
        gate, rooms = self._gate, self._gate.rooms
        sessions = [each.session for each in gate.connections if each.session is not None]
        connections = GaugeMetricFamily(
            "syncroom_connections", "Clients, by what they speak.", labels=["protocol"]
        )
        counts = Counter(session.protocol for session in sessions)
        for protocol in _PROTOCOLS:
            connections.add_metric([protocol], counts[protocol])
        yield connections
        for name, text, value in (
            ("connections_held", "Refused connections that are not closed yet.", len(gate.refused)),
            ("rooms", "Rooms in use.", rooms.count),
            ("documents", "Documents in memory.", len(rooms.open_documents)),
            (
                "parked_updates",
                "Updates kept aside until what they build on comes.",
                sum(len(document.parked) for document in rooms.open_documents),
            ),
            (
                "lagging_readers",
                "Clients that read slower than they are sent to.",
                sum(session.is_lagging for session in sessions),
            ),
            ("store_failing", "1 while nothing can be written.", rooms.failure is not None),
        ):
            yield GaugeMetricFamily(f"syncroom_{name}", text, value=float(value))

    def _counters(self) -> Iterator[Metric]:
        metrics, connections = self._gate.metrics, self._gate.connections
        bytes_in = metrics.bytes_in + sum(each.bytes_in for each in connections)
        bytes_out = metrics.bytes_out - metrics.bytes_spared
        for name, text, value in (
            ("updates_in", "Updates that changed something.", metrics.updates_in),
            ("updates_out", "The same, once for each other reader.", metrics.updates_out),
            ("bytes_in", "Bytes that came through WebSockets.", bytes_in),
            ("bytes_out", "Bytes about documents that were sent.", bytes_out),
            ("gaps", "Updates that built on something missing.", metrics.gaps),
            (
                "rests",
                "Frames put off: what their sender sent before took long.",
                metrics.rests,
            ),
            ("lags", "Times that a reader began to lag.", metrics.lags),
            ("view_hosts_started", "View hosts that were started.", self._hosts.started),
            ("view_hosts_died", "View hosts that ended over a request.", self._hosts.died),
        ):
            yield CounterMetricFamily(f"syncroom_{name}", text, value=float(value))
        closed = CounterMetricFamily(
            "syncroom_connections_refused", "Refused connections.", labels=["code"]
        )
        for code in sorted({*_CLOSE_CODES, *metrics.refused_connections}):
            closed.add_metric([str(code)], metrics.refused_connections.get(code, 0))
        yield closed
        refused = CounterMetricFamily(
            "syncroom_messages_refused", "Refused messages.", labels=["part", "reason"]
        )
        for (part, fault), count in metrics.refused.items():
            refused.add_metric([part.value, fault.value], count)
        yield refused
        yield from self._models()

    def _models(self) -> Iterator[Metric]:
        metrics = self._gate.metrics
        asked = CounterMetricFamily(
            "syncroom_llm_requests", "Language models asked.", labels=["provider", "status"]
        )
        for labels, count in metrics.llm_requests.items():
            asked.add_metric(labels, count)
        yield asked
        used = CounterMetricFamily(
            "syncroom_llm_tokens", "Tokens that they took.", labels=["provider", "kind"]
        )
        for labels, count in metrics.llm_tokens.items():
            used.add_metric(labels, count)
        yield used

    def _histograms(self) -> Iterator[Metric]:
        metrics = self._gate.metrics
        for name, text, histogram in (
            ("fan_out", "First update of a turn to the last write.", metrics.fan_out),
            ("durable", "First update of a turn to its last record on disk.", metrics.durable),
            ("load", "Time to open a document.", metrics.load),
            ("loop_lag", "How late the event loop woke a timer.", metrics.loop_lag),
        ):
            yield HistogramMetricFamily(
                f"syncroom_{name}_seconds",
                text,
                buckets=_buckets(histogram),
                sum_value=histogram.sum,
            )


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """How many were up to each bound; the last is infinite."""
    buckets, total = [], 0
    for bound, count in zip([*histogram.bounds, "+Inf"], histogram.counts, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return buckets
