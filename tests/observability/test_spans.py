"""Spans of a request's stages, where the program has set up OpenTelemetry."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from safeasr import AudioError, AutoModel
from safeasr.observability import tracing
from support.audio import speech
from support.spans import STAGES, exporter_of_package, spans_of
from support.waiting import until

CLIP = speech(1.0)


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    return exporter_of_package(monkeypatch)


@pytest.fixture(scope="module")
def one() -> Iterator[AutoModel]:
    with AutoModel(model="demo", num_workers=2, disable_pbar=True) as model:
        yield model


def test_a_request_and_its_stages(one: AutoModel, exporter: InMemorySpanExporter) -> None:
    before = time.time_ns()
    one.generate(CLIP, key="hello")
    after = time.time_ns()
    call, children = spans_of(exporter)
    assert dict(call.attributes or {}) == {
        "safeasr.model": "demo",
        "safeasr.call": "generate",
        "safeasr.inputs": 1,
        "safeasr.audio_s": 1.0,
        "safeasr.key": "hello",
    }
    assert call.parent is None
    assert call.status.is_ok or call.status.status_code is trace.StatusCode.UNSET
    assert set(children) == set(STAGES)
    order = [children[name][0] for name in STAGES]
    slack = 1_000_000  # between the clocks
    times = [t for span in order for t in (span.start_time, span.end_time)]
    assert times == sorted(times), "one after the other"
    assert before - slack <= call.start_time <= times[0]
    assert times[-1] <= call.end_time <= after + slack
    assert all(span.attributes["safeasr.key"] == "hello" for span in order)
    assert children["safeasr.compute"][0].attributes["safeasr.requests"] == 1


def test_children_of_the_callers_span(one: AutoModel, exporter: InMemorySpanExporter) -> None:
    tracer = TracerProvider().get_tracer("a service")

    async def on_asyncio() -> None:
        await one.agenerate(CLIP)

    with tracer.start_as_current_span("its own") as own:
        one.generate(CLIP)
        future = one.submit(CLIP)
        asyncio.run(on_asyncio())
        list(one.generate_iter(CLIP))
    future.result(30)
    future.result(30)
    calls = [s for s in exporter.get_finished_spans() if s.name == "safeasr.generate"]
    kinds = [span.attributes["safeasr.call"] for span in calls]
    assert kinds == ["generate", "agenerate", "generate_iter", "submit"]
    assert {span.parent.span_id for span in calls} == {own.get_span_context().span_id}


def test_several_inputs(one: AutoModel, exporter: InMemorySpanExporter) -> None:
    one.generate([CLIP, CLIP[:8000]], key=["a", "b"])
    call, children = spans_of(exporter)
    assert call.attributes["safeasr.inputs"] == 2
    assert call.attributes["safeasr.audio_s"] == pytest.approx(1.5)
    assert "safeasr.key" not in call.attributes
    for name in STAGES:
        assert sorted(span.attributes["safeasr.key"] for span in children[name]) == ["a", "b"]


def test_very_many_inputs_have_no_spans_each(
    one: AutoModel, exporter: InMemorySpanExporter
) -> None:
    one.generate([CLIP[:3200]] * 120)
    call, children = spans_of(exporter)
    assert call.attributes["safeasr.inputs"] == 120
    assert len(children["safeasr.compute"]) == 100


def test_calls_that_fail(one: AutoModel, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(AudioError):
        one.generate("https://u:secret@localhost:1/x.wav?token=secret", download_timeout=5)
    call, children = spans_of(exporter)
    assert call.status.status_code is trace.StatusCode.ERROR
    assert call.attributes["error.type"] == "AudioError"
    assert children == {}
    assert "secret" not in call.to_json()


def test_a_recording_in_segments(exporter: InMemorySpanExporter) -> None:
    with AutoModel(model="demo", vad_model="demo-vad", num_workers=2, disable_pbar=True) as model:
        model.generate(speech(20.0))
    call, children = spans_of(exporter)
    assert call.attributes["safeasr.audio_s"] == pytest.approx(20.0)
    assert set(children) == set(STAGES)
    compute = children["safeasr.compute"][0]
    assert compute.attributes["safeasr.requests"] >= 2, "the detector's, and segments"
    assert compute.attributes["safeasr.busy_s"] > 0


def test_chunks_of_streams(exporter: InMemorySpanExporter) -> None:
    streaming = AutoModel(model="demo-streaming", num_workers=1)
    with streaming as model, model.stream(key="live") as stream:
        stream.feed(CLIP[:9600])
    until(lambda: len(exporter.get_finished_spans()) == 3)  # told on another thread
    call, children = spans_of(exporter)
    assert call.name == "safeasr.chunk"
    assert call.attributes["safeasr.key"] == "live"
    assert call.attributes["safeasr.audio_s"] == pytest.approx(0.6)
    assert set(children) == {"safeasr.turn", "safeasr.work"}


def test_the_span_of_submit_ends_with_its_work(
    one: AutoModel, exporter: InMemorySpanExporter
) -> None:
    future = one.submit([CLIP, CLIP])
    until(future.done)
    done = time.time_ns()
    time.sleep(0.3)
    future.result()
    (call,) = (s for s in exporter.get_finished_spans() if s.name == "safeasr.generate")
    assert call.end_time is not None and call.end_time <= done + 1_000_000


def test_a_task_that_gave_up(
    gated_model: Callable[..., AutoModel], gate: Any, exporter: InMemorySpanExporter
) -> None:
    model = gated_model()

    async def give_up() -> None:
        await asyncio.wait_for(model.agenerate(CLIP), 0.3)

    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        asyncio.run(give_up())
    gate.open()
    call, _ = spans_of(exporter)
    assert call.attributes["error.type"] == "CancelledError"


def test_keys_are_cut_and_on_one_line(one: AutoModel, exporter: InMemorySpanExporter) -> None:
    one.generate(CLIP, key="a\nb" + "c" * 500)
    call, children = spans_of(exporter)
    for span in (call, *children["safeasr.compute"]):
        shown = span.attributes["safeasr.key"]
        assert shown.startswith(r"a\nbc") and len(shown) < 100


def test_no_context_is_no_failure(
    one: AutoModel, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    assert tracing.here() is None
    assert one.generate(CLIP)
    assert exporter.get_finished_spans() == ()


def test_spans_that_are_not_sampled(
    one: AutoModel, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("safeasr"))
    assert one.generate(CLIP)
    assert exporter.get_finished_spans() == ()


def test_an_exporter_that_fails_fails_no_call(
    one: AutoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def start_span(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("broken")

    monkeypatch.setattr(tracing, "_tracer", Broken())
    assert one.generate(CLIP)


def test_off_without_a_provider(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Nothing is imported for it; a provider that is set later is found."""
    done = run_python(
        "import sys\n"
        "from safeasr.observability import tracing\n"
        "import safeasr.auto_model\n"
        "sys.modules.pop('opentelemetry.trace', None)\n"
        "assert tracing.tracer() is None\n"
        "assert 'opentelemetry.trace' not in sys.modules\n"
        "from opentelemetry import trace\n"
        "assert tracing.tracer() is None\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "assert tracing.tracer() is not None\n"
        "assert tracing.tracer() is tracing.tracer()\n"
        "print('fine')\n"
    )
    assert done.stdout == "fine\n", done.stderr
