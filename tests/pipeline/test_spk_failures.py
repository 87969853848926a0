"""Speakers are told on threads and requests of their own: what becomes of them when one fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AutoModel,
    DeadlineExceededError,
    EngineClosedError,
    InferenceError,
    OutOfMemoryError,
    UnsupportedModelError,
)
from safeasr.calls.promise import Promise
from safeasr.pipeline import diarization
from safeasr.speakers.clustering import speakers_of
from support.diarized import named, same, wave

pytest.importorskip("funasr", reason="funasr makes the models")


@pytest.fixture(scope="module")
def model(speaker_models: dict[str, str]) -> Iterator[AutoModel]:
    with AutoModel(**named(speaker_models), disable_pbar=True) as loaded:
        yield loaded


@pytest.mark.slow
def test_cancelled_while_speakers_are_told(model: AutoModel) -> None:
    """Windows and clustering are taken back, and others are served."""
    expected = model.generate(wave(), key="k")[0]
    for i in range(12):
        future = model.submit(wave(), key="k")
        with pytest.raises(TimeoutError):
            future.result(0.05 * i / 4)
        future.cancel()
    same(model.generate(wave(), key="k")[0], expected)
    assert model.stats()["waiting"] == 0


@pytest.mark.parametrize(
    ("raised", "typed"),
    [
        (MemoryError("no room"), OutOfMemoryError),
        (ImportError("numba and numpy"), UnsupportedModelError),
        (np.linalg.LinAlgError("it does not converge"), InferenceError),
        (ValueError("NaN"), InferenceError),
    ],
)
def test_clustering_that_fails(
    model: AutoModel, monkeypatch: pytest.MonkeyPatch, raised: Exception, typed: type[Exception]
) -> None:
    """It has a type, and costs this recording only."""
    calls = iter([raised, None])

    def sometimes(*arguments: Any) -> Any:
        if error := next(calls):
            raise error
        return speakers_of(*arguments)

    monkeypatch.setattr(diarization, "speakers_of", sometimes)
    first, second = model.generate([wave(), wave()], on_error="return")
    if "error" not in first:
        first, second = second, first
    assert isinstance(first["error"], typed) and str(raised) in str(first["error"])
    assert second["sentence_info"]


@pytest.mark.slow
def test_clustering_that_is_not_wanted_any_more(
    speaker_models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline that passed, and a model that is closed at once: what waits is not done."""
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def slow(embeddings: Any, *_: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        done.append(len(embeddings))
        return np.zeros(len(embeddings), np.int64)

    monkeypatch.setattr(diarization, "speakers_of", slow)
    with AutoModel(**named(speaker_models), disable_pbar=True) as loaded:
        first = loaded.submit(wave())
        assert begun.wait(60)
        late = loaded.submit(wave(), timeout=0.5)
        others = [loaded.submit(wave()) for _ in range(2)]
        time.sleep(3)
        go_on.set()
        assert first.result(60)[0]["sentence_info"]
        with pytest.raises(DeadlineExceededError):
            late.result(60)
        assert all(one.result(60)[0]["sentence_info"] for one in others)
        assert len(done) == 3
        begun.clear()
        go_on.clear()
        running, *waiting = [loaded.submit(wave()) for _ in range(3)]
        assert begun.wait(60)
        time.sleep(1)
        loaded.close(drain=False)
        go_on.set()
        for one in waiting:
            with pytest.raises(EngineClosedError):
                one.result(60)
        assert running.done() or running.result(60)
        assert len(done) <= 4


def test_a_bad_window_costs_that_window(
    speaker_models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = InferenceError("a value is too large")
    with AutoModel(**named(speaker_models), disable_pbar=True) as loaded:
        whole = loaded.generate(wave(), key="k", preset_spk_num=1)[0]
        found = loaded._companions.speaker_model()
        assert found is not None
        submit, count = found.submit, iter(range(1000))

        def sometimes(*arguments: Any) -> Any:
            if next(count) % 10:
                return submit(*arguments)
            broken = Promise()
            broken.fail(error)
            return broken

        monkeypatch.setattr(found, "submit", sometimes)
        result = loaded.generate(wave(), key="k", preset_spk_num=1)[0]
        errors = result.pop("errors")
        assert result == whole
        assert [one["error"] for one in errors] == [error] * len(errors)
        assert len(errors) > 1 and all(one["end"] > one["start"] for one in errors)
        assert error.__traceback__ is None
        monkeypatch.undo()

        def always(*_: Any) -> Any:
            broken = Promise()
            broken.fail(error)
            return broken

        monkeypatch.setattr(found, "submit", always)
        with pytest.raises(InferenceError, match="too large"):
            loaded.generate(wave())
