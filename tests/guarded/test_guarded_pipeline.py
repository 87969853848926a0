"""A guarded recogniser among native models, and what is counted and told of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from support.guarded import CLIP
from support.vad import conversation

Make = Callable[..., AutoModel]


@pytest.mark.parametrize("options", [{}, {"isolation": "process", "workers": 2}])
def test_segments_of_a_native_detector(make: Make, options: dict[str, Any]) -> None:
    wave = conversation(20, seed=5)
    with AutoModel("demo-vad", device="cpu", num_workers=1, disable_pbar=True) as detector:
        segments = detector.generate(wave)[0]["value"]
    assert len(segments) > 2
    model = make(vad_model="demo-vad", **options)
    [found] = model.generate(wave, timestamps=True, key="k")
    assert found["key"] == "k"
    assert found["timestamp"] == [[start, start + 100] for start, _ in segments]
    heard = [int(one.split()[0]) for one in found["text"].split(" depth=0 memory=[None, [], {}, 0]")
             if one.strip()]  # fmt: skip
    assert heard == [(end - start) * 16 for start, end in segments]
    sentences = list(model.generate_iter(wave))
    assert [(one["start"], one["end"]) for one in sentences] == [tuple(one) for one in segments]
    assert model.vad_model is not None
    assert model.vad_model.generate(wave)[0]["value"] == segments


def test_segments_that_fail(make: Make) -> None:
    model = make(vad_model="demo-vad")
    wave = conversation(20, seed=5)
    with pytest.raises(Exception, match="no such token"):
        model.generate(wave, act="key error")


def test_punctuation_behind_it(make: Make) -> None:
    plain = make().generate(CLIP)[0]["text"]
    model = make(punc_model="demo-punc")
    [found] = model.generate(CLIP, return_raw_text=True)
    assert found["raw_text"] == plain


def test_two_passes(make: Make) -> None:
    model = make(vad_model="demo-vad", online_model="demo-streaming")
    with model.stream(mode="2pass") as stream:
        events = [one for piece in np.array_split(conversation(10, seed=5), 25)
                  for one in stream.feed(piece)] + stream.finish()  # fmt: skip
    offline = [one for one in events if one["mode"] == "2pass-offline"]
    assert offline
    assert all("beam=1" in one["text"] for one in offline)


def test_counted_as_native_models_are(make: Make) -> None:
    model = make(isolation="process", workers=2)
    model.generate([CLIP] * 5)
    with pytest.raises(Exception, match="no such token"):
        model.generate(CLIP, act="key error")
    stats = model.stats()
    assert (stats["submitted"], stats["completed"], stats["failed"]) == (6, 5, 1)
    assert (stats["waiting"], stats["batches"], stats["mean_batch_size"]) == (0, 6, 1.0)
    assert stats["calls"] == {"begun": 2, "answered": 1, "failed": 1, "cancelled": 0}
    assert stats["errors"] == {"InferenceError": 1}
    assert stats["parts"]["model"]["requests"] == 6
    assert stats["latency"]["compute"]["count"] == 6
    assert stats["guarded"]["workers"] == 2
    assert stats["guarded"]["resident_bytes"] > 2 * 50_000_000
    assert sum(stats["run_time_us_log2"]) == 6
    with AutoModel("demo", num_workers=1) as native:
        assert "guarded" not in native.stats()


@pytest.mark.slow
def test_metrics(make: Make) -> None:
    registry = pytest.importorskip("prometheus_client").CollectorRegistry()
    from safeasr.metrics import ModelCollector

    model = make(isolation="process", workers=2)
    registry.register(ModelCollector(model, name="guarded"))
    model.generate([CLIP] * 3)
    labels = {"model": "guarded"}
    completed = registry.get_sample_value(
        "safeasr_requests_total", {**labels, "outcome": "completed"}
    )
    assert completed == 3
    assert registry.get_sample_value("safeasr_guarded_workers", labels) == 2
    assert registry.get_sample_value("safeasr_guarded_crashes_total", labels) == 0
    assert registry.get_sample_value("safeasr_guarded_resident_bytes", labels) > 0


def test_slow_requests_and_their_stages(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    model = make(slow_request_s=0.05)
    with caplog.at_level(logging.WARNING, "safeasr"):
        model.generate(CLIP, seconds=0.2, key="slow one")
        model.close()
    [said] = [one.getMessage() for one in caplog.records if "slow one" in one.getMessage()]
    assert "queue 0.0" in said
    assert "compute 0.2" in said


def test_stages_of_a_recording_in_segments(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The detector's requests, which the engine ran, and those of the model are one input's."""
    model = make(vad_model="demo-vad", slow_request_s=0.05)
    with caplog.at_level(logging.WARNING, "safeasr"):
        model.generate(conversation(20, seed=5), seconds=0.1, key="long one")
        model.close()
    [said] = [one.getMessage() for one in caplog.records if "long one" in one.getMessage()]
    computed = float(said.partition("compute ")[2].split()[0])
    assert computed >= 0.3  # at least three segments
