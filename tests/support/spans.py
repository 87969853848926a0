"""Spans that the package told, where a test stands in for the program's tracer provider."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from safeasr.observability import tracing

__all__ = ["STAGES", "exporter_of_package", "spans_of"]

#: Of a request, one after the other.
STAGES = ("safeasr.decode", "safeasr.queue", "safeasr.compute", "safeasr.text")


def exporter_of_package(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Gets the spans of the package; the process's provider stays what it is."""
    found = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("safeasr"))
    return found


def spans_of(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, dict[str, list[ReadableSpan]]]:
    """The one call, and its children by name."""
    spans = exporter.get_finished_spans()
    (call,) = (span for span in spans if span.name in ("safeasr.generate", "safeasr.chunk"))
    children: dict[str, list[ReadableSpan]] = {}
    for span in spans:
        if span is not call:
            assert span.parent is not None
            assert span.parent.span_id == call.context.span_id
            assert span.context.trace_id == call.context.trace_id
            children.setdefault(span.name, []).append(span)
    return call, children
