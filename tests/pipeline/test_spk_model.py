"""``spk_model`` beside a recogniser: who says what, as FunASR's pipeline tells it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AutoModel,
    OptionError,
    UnsupportedModelError,
)
from support.diarized import MODELS, named, same, wave
from support.oracle import pipeline_oracle

pytest.importorskip("funasr", reason="funasr is the reference")

CALLS: list[dict[str, Any]] = [
    {},
    {"return_spk_center": True, "return_raw_text": True},
    {"preset_spk_num": 2, "en_post_proc": True, "merge_vad": True},
    {"preset_spk_num": 5, "return_spk_center": True},
    {"return_spk_res": False},
    {"return_spk_res": False, "sentence_timestamp": True},
]


@pytest.fixture(scope="module")
def model(speaker_models: dict[str, str]) -> Iterator[AutoModel]:
    with AutoModel(**named(speaker_models), disable_pbar=True) as loaded:
        yield loaded


def answer(oracle: Any, **options: Any) -> dict[str, Any]:
    """FunASR's, whose clustering draws from numpy's global generator."""
    np.random.seed(0)
    return {**oracle.generate(wave(), **options)[0], "key": "k"}


def test_sentences_have_speakers(speaker_models: dict[str, str], model: AutoModel) -> None:
    oracle = pipeline_oracle(**named(speaker_models))
    expected = [answer(oracle, **options) for options in CALLS]
    for options, wanted in zip(CALLS, expected, strict=True):
        same(model.generate(wave(), key="k", **options)[0], wanted)
    assert len({one["spk"] for one in expected[3]["sentence_info"]}) > 2
    assert "sentence_info" not in expected[4]
    with ThreadPoolExecutor(16) as pool:
        order = [i % len(CALLS) for i in range(18)]
        got = list(pool.map(lambda i: model.generate(wave(), key="k", **CALLS[i])[0], order))
    for i, result in zip(order, got, strict=True):
        same(result, expected[i])


@pytest.mark.parametrize(
    "names",
    [
        {"punc_model": None},
        {"spk_model": "ERes2NetV2"},
        {"model": "sense_voice"},
        {"model": "sense_voice", "punc_model": None},
    ],
    ids=["no punctuation", "eres2netv2", "sense_voice", "sense_voice, no punctuation"],
)
@pytest.mark.slow
def test_other_models(speaker_models: dict[str, str], names: dict[str, Any]) -> None:
    models = named(
        speaker_models, **{role: speaker_models.get(name, name) for role, name in names.items()}
    )
    # FunASR cannot tell marks by the times of random words: the segments it gives then are ours.
    of_segments = {"spk_mode": "vad_segment"} if "model" in names else {}
    oracle = pipeline_oracle(**models, **of_segments)
    with AutoModel(**models, **of_segments, disable_pbar=True) as loaded:
        for options in ({}, {"preset_spk_num": 3, "return_spk_center": True}):
            expected = answer(oracle, **options)
            same(loaded.generate(wave(), key="k", **options)[0], expected)
            assert len(expected["sentence_info"]) > 1


@pytest.mark.slow
def test_the_mode_is_each_calls_own(speaker_models: dict[str, str], model: AutoModel) -> None:
    """FunASR has it of the constructor, and changes it there for good."""
    sentences = answer(pipeline_oracle(**named(speaker_models)))
    segments = answer(pipeline_oracle(**named(speaker_models), spk_mode="vad_segment"))
    assert len(segments["sentence_info"]) < len(sentences["sentence_info"])
    for mode, expected in [
        ("vad_segment", segments), ("punc_segment", sentences), ("default", sentences),
    ]:  # fmt: skip
        same(model.generate(wave(), key="k", spk_mode=mode)[0], expected)
    same(model.generate(wave(), key="k")[0], sentences)
    # Times that were not wanted leave the segments only.
    result = model.generate(wave(), key="k", output_timestamp=False)[0]
    assert "timestamp" not in result
    assert [one["spk"] for one in result["sentence_info"]] == [
        one["spk"] for one in segments["sentence_info"]
    ]


@pytest.mark.slow
def test_options_of_the_clustering(speaker_models: dict[str, str]) -> None:
    kwargs = {"spk_kwargs": {"cb_kwargs": {"merge_thr": 0.01}}}
    expected = answer(pipeline_oracle(**named(speaker_models), **kwargs), return_spk_center=True)
    with AutoModel(
        **named(speaker_models), **kwargs, return_spk_center=True, disable_pbar=True
    ) as loaded:
        same(loaded.generate(wave(), key="k")[0], expected)
    for wrong in (0, 1.5, "much", None):
        with pytest.raises(OptionError, match="cb_kwargs"):
            AutoModel(**named(speaker_models), spk_kwargs={"cb_kwargs": {"merge_thr": wrong}})
    with pytest.raises(OptionError, match="cb_kwargs"):
        AutoModel(**named(speaker_models), spk_kwargs={"cb_kwargs": {"other": 1}})


def test_short_and_silent_recordings(model: AutoModel) -> None:
    silent = model.generate(np.zeros(32000, np.float32), key="k")[0]
    assert silent == {"key": "k", "text": "", "timestamp": [], "sentence_info": []}
    short = model.generate(wave()[: 16000 * 6], preset_spk_num=7, return_spk_center=True)[0]
    # Under 20 windows, about 15 s, are one speaker's, whatever is said: as in FunASR.
    assert {one["spk"] for one in short["sentence_info"]} == {0}
    assert len(short["spk_embedding_center"]) == 1
    many = model.generate(wave(), preset_spk_num=10_000)[0]
    assert len({one["spk"] for one in many["sentence_info"]}) > 5


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "two", True])
def test_a_number_of_speakers_that_cannot_be(model: AutoModel, wrong: Any) -> None:
    with pytest.raises(OptionError, match="preset_spk_num"):
        model.generate(wave(), preset_spk_num=wrong)


def test_what_goes_with_speakers(speaker_models: dict[str, str]) -> None:
    spk = speaker_models["CAMPPlus"]
    for name in ("demo-streaming", "demo-vad", speaker_models["punc"], spk):
        with pytest.raises(UnsupportedModelError, match="spk_model= goes with an offline"):
            AutoModel(name, spk_model=spk)
    for name in ("demo-vad", speaker_models["punc"], str(MODELS / "demo")):
        with pytest.raises(UnsupportedModelError, match="not a model for speaker embeddings"):
            AutoModel("demo", vad_model="demo-vad", spk_model=name)
    with pytest.warns(UserWarning, match="spk_model has no effect without vad_model"):
        AutoModel(str(MODELS / "demo"), spk_model=spk).close()
    # The demo's streams have a detector of their own.
    with pytest.warns(UserWarning, match="spk_model has no effect in generate without vad_model"):
        AutoModel("demo", spk_model=spk).close()
    with pytest.warns(UserWarning, match="spk_kwargs has no effect without spk_model"):
        AutoModel("demo", spk_kwargs={"cb_kwargs": {}}).close()
    with (
        AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as loaded,
        pytest.warns(UserWarning, match="'preset_spk_num' has no effect for this model"),
    ):
        loaded.generate(wave(), preset_spk_num=2)


def test_a_speaker_model_of_another_rate(
    speaker_models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from safeasr.families.campplus.recognizer import SpeakerRecognizer

    init = SpeakerRecognizer.__init__

    def at_8_khz(self: Any, *args: Any) -> None:
        init(self, *args)
        self.sample_rate = 8000

    monkeypatch.setattr(SpeakerRecognizer, "__init__", at_8_khz)
    with pytest.raises(UnsupportedModelError, match="works at 8000 Hz and the model"):
        AutoModel(**named(speaker_models))


def test_no_warnings_of_libraries(model: AutoModel) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.generate(wave())
