"""Models as metrics: what a scraper reads is what stats() says."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("prometheus_client")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read

from safeasr import AudioError, AutoModel
from safeasr.metrics import ModelCollector
from support.audio import speech

CLIP = speech(0.4)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def used() -> Iterator[AutoModel]:
    with AutoModel(model="demo", vad_model="demo-vad", num_workers=2, disable_pbar=True) as model:
        model.generate([CLIP, CLIP])
        with pytest.raises(AudioError):
            model.generate("")
        with model.stream() as stream:
            stream.feed(CLIP)
        yield model


def samples(families: Any) -> Samples:
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in families
        for one in family.samples
    }


def scrape(registry: CollectorRegistry) -> Samples:
    return samples(read(generate_latest(registry).decode()))


def of(found: Samples, name: str, **labels: str) -> float:
    return found[(name, frozenset(labels.items()))]


def test_what_a_scraper_reads(used: AutoModel) -> None:
    registry = CollectorRegistry()
    registry.register(ModelCollector(used, name="asr"))
    found, stats = scrape(registry), used.stats()
    assert of(found, "safeasr_calls_begun_total", model="asr") == 2
    assert of(found, "safeasr_calls_total", model="asr", outcome="answered") == 1
    assert of(found, "safeasr_calls_total", model="asr", outcome="failed") == 1
    assert of(found, "safeasr_chunks_total", model="asr", outcome="answered") == 1
    (error,) = stats["errors"]
    assert of(found, "safeasr_errors_total", model="asr", type=error) == 1
    assert of(found, "safeasr_requests_total", model="asr", outcome="completed") >= 3
    assert of(found, "safeasr_audio_in_seconds_total", model="asr") == pytest.approx(1.2, abs=1e-3)
    assert of(found, "safeasr_workers", model="asr") == 2
    assert of(found, "safeasr_streams_open", model="asr") == 0
    assert of(found, "safeasr_weights_bytes", model="asr", part="vad_model") > 1000
    for stage in ("decode", "queue", "compute", "text", "call", "chunk"):
        name, latency = f"safeasr_{stage}_seconds", stats["latency"][stage]
        assert of(found, f"{name}_count", model="asr") == latency["count"] > 0
        assert of(found, f"{name}_sum", model="asr") == pytest.approx(latency["sum_s"])
        assert of(found, f"{name}_bucket", model="asr", le="+Inf") == latency["count"]
        for bound, count in latency["buckets"]:
            assert of(found, f"{name}_bucket", model="asr", le=repr(bound)) == count
    part = stats["parts"]["vad_model"]["queue"]
    labels = {"model": "asr", "part": "vad_model"}
    assert of(found, "safeasr_part_queue_seconds_count", **labels) == part["count"]


def test_names_follow_the_rules(used: AutoModel) -> None:
    registry = CollectorRegistry()
    registry.register(ModelCollector(used))
    families = list(read(generate_latest(registry).decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    for family in families:
        assert family.name.startswith("safeasr_")
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert all(one.name.endswith("_total") for one in family.samples)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
    # The stricter format, too: it checks that buckets grow and that +Inf is the count.
    assert samples(read_openmetrics(openmetrics(registry).decode()))


def test_several_models(used: AutoModel) -> None:
    registry = CollectorRegistry()
    with AutoModel(model="demo-vad", num_workers=1) as other:
        collector = ModelCollector(used, name="one")
        collector.add(other, name="other")
        registry.register(collector)
        found = scrape(registry)
        assert of(found, "safeasr_calls_begun_total", model="one") == 2
        assert of(found, "safeasr_calls_begun_total", model="other") == 0
        with pytest.raises(ValueError, match="Duplicated"):
            registry.register(ModelCollector(other, name="twice"))


def test_models_are_not_kept_and_may_be_closed() -> None:
    registry = CollectorRegistry()
    model = AutoModel(model="demo-vad", num_workers=1, disable_pbar=True)
    registry.register(ModelCollector(model, name="gone"))
    model.generate(CLIP)
    model.close()
    assert of(scrape(registry), "safeasr_calls_total", model="gone", outcome="answered") == 1
    del model
    gc.collect()
    assert scrape(registry) == {}


def test_without_prometheus_client(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_python(
        "import sys\n"
        "sys.modules['prometheus_client'] = None\n"
        "import safeasr\n"
        "try:\n"
        "    import safeasr.metrics\n"
        "except safeasr.MetricsUnavailableError as error:\n"
        "    assert isinstance(error, (safeasr.SafeASRError, ImportError))\n"
        "    print(error)\n"
    )
    assert "pip install prometheus-client" in done.stdout, done.stderr
