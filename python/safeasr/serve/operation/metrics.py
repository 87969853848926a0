"""GET /metrics, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from safeasr.metrics import ModelCollector
from safeasr.serve.service import Service
from safeasr.serve.shelf import Served

__all__ = ["Metrics", "metrics"]


class Metrics(Collector):
    """What a server and its models tell; see docs/serving.md."""

    def __init__(self, service: Service) -> None:
        """Follow the models as they are loaded."""
        self._service = service
        self._models: ModelCollector | None = None
        service.shelf.on_loaded.append(self._add)
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def _add(self, served: Served) -> None:
        if self._models is None:
            self._models = ModelCollector(served.model, served.name)
        else:
            self._models.add(served.model, served.name)

    def describe(self) -> Iterator[Metric]:
        """None: which there are depends on the models."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        gate = self._service.gate
        for name, text, value in (
            ("requests_in_progress", "Recordings that are worked on.", gate.requests),
            ("uploads_open", "Uploads that arrive or are answered.", gate.uploads),
            ("connections_open", "Websocket connections.", gate.connections),
            ("utterances_open", "Utterances that live clients are saying.", gate.utterances),
            ("kept_bytes", "Audio that is not answered yet.", self._service.spools.kept),
            ("draining", "1 while the server ends.", int(gate.draining)),
        ):
            yield GaugeMetricFamily(f"safeasr_server_{name}", text, value=value)
        answers = CounterMetricFamily(
            "safeasr_server_answers", "HTTP answers by status.", labels=["status"]
        )
        for status, count in sorted(self._service.answers.items()):
            answers.add_metric([str(status)], count)
        yield answers
        if self._models is not None:
            yield from self._models.collect()


async def metrics(request: Request) -> Response:
    """In Prometheus' text format."""
    service: Service = request.app.state.service
    service.client_of(request)
    found = generate_latest(request.app.state.metrics.registry)
    return Response(found, media_type=CONTENT_TYPE_LATEST)
