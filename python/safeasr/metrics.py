"""Models as metrics for Prometheus; needs ``pip install prometheus-client``.

A program that answers ``/metrics`` registers its models once::

    from prometheus_client import REGISTRY

    REGISTRY.register(ModelCollector(model, name="asr"))

What is told is what ``model.stats()`` says at that moment. A collector does not keep its models:
one that is forgotten is told no more. One that is closed still is.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from safeasr.errors import MetricsUnavailableError

__all__ = ["MetricsUnavailableError", "ModelCollector"]


try:
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError as missing:
    raise MetricsUnavailableError(
        "safeasr.metrics needs prometheus_client: pip install prometheus-client"
    ) from missing


class _HasStats(Protocol):
    def stats(self) -> dict[str, Any]:
        """As of ``AutoModel``."""


#: Counters: name, what it is, the key in ``stats()``.
_COUNTERS: Final = (
    ("safeasr_calls_begun", "Calls that began.", ("calls", "begun")),
    ("safeasr_chunks_begun", "Chunks of live streams that were given.", ("chunks", "begun")),
    ("safeasr_refused", "Errors that say that nothing was taken on.", ("refused",)),
    ("safeasr_audio_in_seconds", "Audio that was read.", ("audio_in_seconds",)),
    ("safeasr_audio_out_seconds", "Audio that was answered.", ("audio_out_seconds",)),
    ("safeasr_streams_opened", "Live streams that were opened.", ("streams", "opened")),
    ("safeasr_batches", "Batches that ran.", ("batches",)),
    ("safeasr_batched_requests", "Requests in them.", ("batched_requests",)),
    ("safeasr_batches_halved", "Batches that did not fit the memory.", ("halved",)),
    ("safeasr_retried_alone", "Requests run again without their batch.", ("retried_alone",)),
)
#: Gauges: the same.
_GAUGES: Final = (
    ("safeasr_streams_open", "Live streams that are open.", ("streams", "open")),
    ("safeasr_waiting_requests", "Requests that wait in the engine.", ("waiting",)),
    ("safeasr_queue_size", "Requests that may wait for a free worker.", ("queue_size",)),
    ("safeasr_workers", "Threads that run batches.", ("workers",)),
    ("safeasr_busy_workers", "Those that run one now.", ("busy_workers",)),
    ("safeasr_devices_out_of_order", "Devices that cannot be waited for.", ("out_of_order",)),
)
#: Counters by outcome: name, what it is, where they are in ``stats()`` and which.
_OUTCOMES: Final = (
    ("safeasr_calls", "Calls that ended.", "calls", ("answered", "failed", "cancelled")),
    ("safeasr_chunks", "Chunks that ended.", "chunks", ("answered", "failed", "cancelled")),
    (
        "safeasr_requests",
        "Requests of the engine that ended, or were refused.",
        None,
        ("completed", "failed", "cancelled", "expired", "rejected"),
    ),
)
#: Histograms: name, what it is, the key in ``stats()["latency"]``.
_LATENCIES: Final = (
    ("safeasr_decode_seconds", "Reading and decoding an input.", "decode"),
    ("safeasr_queue_seconds", "A request's wait for its first batch.", "queue"),
    ("safeasr_compute_seconds", "A batch.", "compute"),
    ("safeasr_text_seconds", "From a network's numbers to a result.", "text"),
    ("safeasr_call_seconds", "A call from its beginning to its end.", "call"),
    ("safeasr_chunk_seconds", "A chunk of a live stream, until its result.", "chunk"),
    ("safeasr_chunk_turn_seconds", "Its wait for those before it.", "chunk_turn"),
    ("safeasr_live_queue_seconds", "A live request's wait for its first batch.", "live_queue"),
    ("safeasr_live_compute_seconds", "A batch of live requests.", "live_compute"),
)
#: Of models that run guarded: kind, name, what it is, the key in ``stats()["guarded"]``.
_GUARDED: Final = (
    (GaugeMetricFamily, "safeasr_guarded_workers", "Copies of a guarded model.", "workers"),
    (CounterMetricFamily, "safeasr_guarded_crashes", "Its processes that ended.", "crashes"),
    (CounterMetricFamily, "safeasr_guarded_replaced", "Those that were replaced.", "replaced"),
    (
        GaugeMetricFamily,
        "safeasr_guarded_resident_bytes",
        "Memory of its processes.",
        "resident_bytes",
    ),
)
#: Of each of the models of one AutoModel: the same, key in ``stats()["parts"][part]``.
_PARTS: Final = (
    ("safeasr_part_queue_seconds", "A request's wait, of one of the models.", "queue"),
    ("safeasr_part_compute_seconds", "A batch of one of the models.", "compute"),
)


def _at(stats: Mapping[str, Any], path: Sequence[str]) -> float:
    for name in path:
        stats = stats[name]
    return float(stats)  # type: ignore[arg-type]


def _add(family: HistogramMetricFamily, labels: Sequence[str], found: Mapping[str, Any]) -> None:
    buckets = [(repr(bound), float(count)) for bound, count in found["buckets"]]
    family.add_metric(labels, [*buckets, ("+Inf", float(found["count"]))], found["sum_s"])


class ModelCollector(Collector):
    """What models say of themselves, for a registry of prometheus_client.

    Several models of one registry are told by one collector, for each metric must be told once::

        collector = ModelCollector(one, name="asr")
        collector.add(other, name="live")
        REGISTRY.register(collector)
    """

    def __init__(self, model: _HasStats, name: str = "asr") -> None:
        """Tell of a model; arguments as of :meth:`add`."""
        self._models: dict[str, Callable[[], _HasStats | None]] = {}
        self.add(model, name)

    def add(self, model: _HasStats, name: str) -> None:
        """Tell of another model, too, or of one in the place of another.

        Args:
            model: an ``AutoModel``. It is not kept.
            name: the label ``model`` of its metrics.
        """
        self._models = {**self._models, str(name): weakref.ref(model)}

    def describe(self) -> Iterator[Metric]:
        """The metrics without their values: a registry takes each from one collector only."""
        return _families({})

    def collect(self) -> Iterator[Metric]:
        """The metrics of the models that are there."""
        found = {}
        for name, reference in self._models.items():
            model = reference()
            if model is not None:
                found[name] = model.stats()
        return _families(found)


def _families(models: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """All metrics, with the values of ``stats()`` of each model."""
    for kind, table in ((CounterMetricFamily, _COUNTERS), (GaugeMetricFamily, _GAUGES)):
        for metric, text, path in table:
            plain = kind(metric, text, labels=["model"])
            for name, stats in models.items():
                plain.add_metric([name], _at(stats, path))
            yield plain
    for kind, metric, text, key in _GUARDED:
        plain = kind(metric, text, labels=["model"])
        for name, stats in models.items():
            if "guarded" in stats:
                plain.add_metric([name], float(stats["guarded"][key]))
        yield plain
    for metric, text, place, outcomes in _OUTCOMES:
        ended = CounterMetricFamily(metric, text, labels=["model", "outcome"])
        for name, stats in models.items():
            counts = stats if place is None else stats[place]
            for outcome in outcomes:
                ended.add_metric([name, outcome], counts[outcome])
        yield ended
    errors = CounterMetricFamily(
        "safeasr_errors", "Errors of calls, chunks and inputs.", labels=["model", "type"]
    )
    weights = GaugeMetricFamily(
        "safeasr_weights_bytes", "Programs of a model, weights included.", labels=["model", "part"]
    )
    for name, stats in models.items():
        for error, count in stats["errors"].items():
            errors.add_metric([name, error], count)
        for part, known in stats["parts"].items():
            if known["weights_bytes"] is not None:
                weights.add_metric([name, part], known["weights_bytes"])
    yield errors
    yield weights
    for metric, text, stage in _LATENCIES:
        latency = HistogramMetricFamily(metric, text, labels=["model"])
        for name, stats in models.items():
            _add(latency, [name], stats["latency"][stage])
        yield latency
    for metric, text, stage in _PARTS:
        latency = HistogramMetricFamily(metric, text, labels=["model", "part"])
        for name, stats in models.items():
            for part, known in stats["parts"].items():
                if stage in known:
                    _add(latency, [name, part], known[stage])
        yield latency
