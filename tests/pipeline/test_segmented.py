"""``generate`` with ``vad_model``: long recordings, segment by segment, as FunASR does it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import safeasr
from safeasr import AutoModel, DeadlineExceededError, InferenceError, UnsupportedModelError
from safeasr.calls.promise import Promise
from safeasr.pipeline.segments import merge_segments
from support.audio import Samples
from support.oracle import pipeline_oracle
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr is the reference")

MODELS = Path(safeasr.__file__).parent / "models"


def spoken() -> Samples:
    import soundfile

    samples, _ = soundfile.read(
        MODELS / "demo-streaming" / "audio" / "conversation.flac", dtype="float32"
    )
    return np.ascontiguousarray(samples)


def funasr(**options: Any) -> Any:
    return pipeline_oracle(
        model=str(MODELS / "demo"), vad_model=str(MODELS / "demo-vad"), **options
    )


@pytest.fixture(scope="module")
def oracle() -> Any:
    return funasr()


@pytest.fixture(scope="module")
def model() -> Iterator[AutoModel]:
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as made:
        yield made


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pred_timestamp": True},
        {"merge_vad": True, "pred_timestamp": True},
        {"max_end_silence_time": 1500},
    ],
    ids=str,
)
def test_equal_to_funasr(oracle: Any, model: AutoModel, options: dict[str, Any]) -> None:
    wave = spoken()
    expected = oracle.generate(wave.copy(), **options)[0]
    got = model.generate(wave, **options)[0]
    assert got["text"] == expected["text"]
    assert len(got["text"].split()) > 10
    assert got.get("timestamp") == expected.get("timestamp")
    assert got.keys() == expected.keys()


def test_merge_length(model: AutoModel) -> None:
    """FunASR listens to the constructor's only; here a call may say it, too."""
    wave = spoken()
    expected = funasr(merge_length_s=6).generate(wave.copy(), merge_vad=True)[0]["text"]
    assert model.generate(wave, merge_vad=True, merge_length_s=6)[0]["text"] == expected


def test_each_piece_is_what_it_is_alone(model: AutoModel) -> None:
    wave = spoken()
    with AutoModel("demo-vad", disable_pbar=True) as vad, AutoModel("demo") as alone:
        segments = vad.generate(wave)[0]["value"]
        texts = [
            alone.generate(wave[a * 16 : b * 16], disable_pbar=True)[0]["text"] for a, b in segments
        ]
    assert len(segments) > 2
    assert model.generate(wave)[0]["text"] == " ".join(texts)


def test_many_recordings_from_many_threads(model: AutoModel) -> None:
    wave = spoken()
    waves = [np.roll(wave, -16000 * i) for i in range(12)]
    expected = [model.generate(one)[0]["text"] for one in waves]
    with ThreadPoolExecutor(12) as pool:
        got = list(pool.map(lambda one: model.generate(one)[0]["text"], waves))
    assert got == expected
    together = model.generate(waves, key=[f"k{i}" for i in range(12)])
    assert [one["text"] for one in together] == expected
    assert [one["key"] for one in together] == [f"k{i}" for i in range(12)]
    futures = [model.submit(one) for one in waves[:4]]
    assert [future.result(60)[0]["text"] for future in futures] == expected[:4]


def test_silence(model: AutoModel) -> None:
    assert model.generate(np.zeros(32000, np.float32))[0]["text"] == ""


def test_a_bad_recording_fails_alone(model: AutoModel) -> None:
    broken = spoken()
    broken[1000] = np.nan
    with pytest.raises(ValueError, match="finite"):
        model.generate(broken)
    assert model.generate(spoken())[0]["text"]


def failing(submit: Any, pieces: set[int], error: Exception) -> Any:
    """``submit``, of which some calls fail once they run."""
    count = iter(range(1000))

    def tried(*args: Any) -> Any:
        if next(count) not in pieces:
            return submit(*args)
        broken = Promise()
        broken.fail(error)
        return broken

    return tried


def test_a_bad_segment_costs_that_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {
        "key": "k", "output_timestamp": True, "sentence_timestamp": True,
    }  # fmt: skip
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        main = model._companions.main
        whole = model.generate(spoken(), **options)[0]
        sentences = whole["sentence_info"]
        assert len(sentences) == 4
        error = InferenceError("a value is too large")
        monkeypatch.setattr(main, "submit", failing(main.submit, {0, 2}, error))
        result = model.generate(spoken(), **options)[0]
        kept = [one for i, one in enumerate(sentences) if i not in (0, 2)]
        assert result["sentence_info"] == kept
        assert result["text"] == " ".join(one["text"] for one in kept)
        assert result["timestamp"] == [pair for one in kept for pair in one["timestamp"]]
        assert [one["error"] for one in result["errors"]] == [error, error]
        # It would keep the samples of the whole recording.
        assert error.__traceback__ is None and error.__context__ is None
        for one, lost in zip(result["errors"], (sentences[0], sentences[2]), strict=True):
            assert one["start"] <= lost["start"] < one["end"]
        monkeypatch.undo()
        assert model.generate(spoken(), **options)[0] == whole

        monkeypatch.setattr(main, "submit", failing(main.submit, set(range(1000)), error))
        with pytest.raises(InferenceError, match="too large"):
            model.generate(spoken())
        monkeypatch.undo()
        # What is no fault of the segment ends the recording.
        late = DeadlineExceededError("too late")
        monkeypatch.setattr(main, "submit", failing(main.submit, {2}, late))
        with pytest.raises(DeadlineExceededError):
            model.generate(spoken())


def test_what_goes_with_a_detector() -> None:
    with pytest.raises(UnsupportedModelError, match="offline recogniser"):
        AutoModel("demo-streaming", vad_model="demo-vad")
    with pytest.raises(UnsupportedModelError, match="voice activity"):
        AutoModel("demo", vad_model="demo-streaming")


def test_merging_is_funasrs() -> None:
    from funasr.utils.vad_utils import merge_vad

    rng = np.random.default_rng(0)
    for _ in range(200):
        edges = np.sort(rng.choice(60000, 2 * int(rng.integers(1, 12)), replace=False)).tolist()
        segments = [list(pair) for pair in zip(edges[::2], edges[1::2], strict=True)]
        longest = int(rng.integers(500, 30000))
        expected = merge_vad([list(s) for s in segments], longest)
        assert merge_segments([list(s) for s in segments], longest) == expected


def test_a_call_holds_no_option_of_another(model: AutoModel) -> None:
    wave = conversation(20, seed=5)
    before = model.generate(wave)[0]["text"]
    model.generate(wave, max_end_silence_time=3000, merge_vad=True)
    assert model.generate(wave)[0]["text"] == before
