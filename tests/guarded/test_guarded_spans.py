"""Spans of guarded requests: those of native ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from safeasr import AutoModel, InferenceError
from support.guarded import CLIP
from support.spans import STAGES, exporter_of_package, spans_of
from support.vad import conversation
from support.waiting import until


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    return exporter_of_package(monkeypatch)


def test_a_request_and_its_stages(guarded: AutoModel, exporter: InMemorySpanExporter) -> None:
    guarded.generate(CLIP, key="hello", seconds=0.1)
    call, children = spans_of(exporter)
    said = dict(call.attributes or {})
    assert said.pop("safeasr.model")
    assert said == {
        "safeasr.call": "generate",
        "safeasr.inputs": 1,
        "safeasr.audio_s": 0.01,
        "safeasr.key": "hello",
    }
    assert set(children) == set(STAGES)
    order = [children[name][0] for name in STAGES]
    times = [t for span in (*order,) for t in (span.start_time, span.end_time)]
    assert times == sorted(times), "one after the other"
    assert call.start_time <= times[0] and times[-1] <= call.end_time + 1_000_000
    compute = children["safeasr.compute"][0]
    assert compute.end_time - compute.start_time >= 90_000_000
    assert compute.attributes["safeasr.requests"] == 1


def test_a_request_that_fails(guarded: AutoModel, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(InferenceError):
        guarded.generate(CLIP, act="key error")
    call, children = spans_of(exporter)
    assert call.status.status_code is trace.StatusCode.ERROR
    assert call.attributes["error.type"] == "InferenceError"
    assert "no such token" not in call.to_json()
    assert "safeasr.text" not in children


def test_a_recording_in_segments(
    make: Callable[..., AutoModel], exporter: InMemorySpanExporter
) -> None:
    make(vad_model="demo-vad").generate(conversation(20, seed=5))
    call, children = spans_of(exporter)
    assert call.attributes["safeasr.audio_s"] == pytest.approx(20.0, abs=1.0)
    assert set(children) == set(STAGES)
    compute = children["safeasr.compute"][0]
    assert compute.attributes["safeasr.requests"] >= 4, "the detector's, and segments"


def test_chunks_of_streams(
    make: Callable[..., AutoModel], live_dir: Any, exporter: InMemorySpanExporter
) -> None:
    with make(live_dir).stream(key="live") as stream:
        stream.feed(CLIP)
    until(lambda: len(exporter.get_finished_spans()) == 3)  # told on another thread
    call, children = spans_of(exporter)
    assert call.name == "safeasr.chunk" and call.attributes["safeasr.key"] == "live"
    assert set(children) == {"safeasr.turn", "safeasr.work"}
