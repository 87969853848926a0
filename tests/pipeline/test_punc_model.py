"""``punc_model`` beside a recogniser: marks and sentences as FunASR's pipeline gives them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import safeasr
from safeasr import AutoModel, DeadlineExceededError, UnsupportedModelError
from safeasr.text.word_split import split_words
from support.audio import Samples, speech
from support.oracle import pipeline_oracle
from support.punctuation import WHOLE_SHAPES, write_punc_dir
from support.sense_voice import write_model_dir as write_sense_voice_dir
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr is the reference")

MODELS = Path(safeasr.__file__).parent / "models"
CALLS: list[dict[str, Any]] = [
    {},
    {"return_raw_text": True},
    {"sentence_timestamp": True, "pred_timestamp": True, "output_timestamp": True},
    {
        "sentence_timestamp": True,
        "pred_timestamp": True,
        "output_timestamp": True,
        "return_raw_text": True,
        "en_post_proc": True,
    },
    {"sentence_timestamp": True, "merge_vad": True, "split_size": 7},
]


@pytest.fixture(scope="module")
def punctuation(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_punc_dir(tmp_path_factory.mktemp("punc"), WHOLE_SHAPES[0]))


@pytest.fixture(scope="module")
def sense_voice(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_sense_voice_dir(tmp_path_factory.mktemp("sense_voice")))


@pytest.fixture(scope="module", params=["demo", "sense_voice"])
def main(request: pytest.FixtureRequest) -> str:
    if request.param == "demo":
        return str(MODELS / "demo")
    return str(request.getfixturevalue("sense_voice"))


@pytest.fixture(scope="module")
def models(main: str, punctuation: str) -> dict[str, Any]:
    return {"model": main, "vad_model": str(MODELS / "demo-vad"), "punc_model": punctuation}


@pytest.fixture(scope="module")
def oracle(models: dict[str, Any]) -> Any:
    return pipeline_oracle(**models)


@pytest.fixture(scope="module")
def model(models: dict[str, Any]) -> Iterator[AutoModel]:
    with AutoModel(**models, disable_pbar=True) as made:
        yield made


def wave() -> Samples:
    # Begins with a pause, as in support.diarized.
    return conversation(20, seed=11)


def answer(oracle: Any, **options: Any) -> dict[str, Any]:
    """FunASR's, which cannot be given a key with a detector."""
    return {**oracle.generate(wave(), **options)[0], "key": "k"}


def of_sense_voice(main: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options that the model has."""
    strange = "pred_timestamp" if "sense_voice" in main else "output_timestamp"
    return {name: value for name, value in options.items() if name != strange}


def test_recordings(main: str, oracle: Any, model: AutoModel) -> None:
    some = [of_sense_voice(main, options) for options in CALLS]
    expected = [answer(oracle, **options) for options in some]
    for options, wanted in zip(some, expected, strict=True):
        assert model.generate(wave(), key="k", **options)[0] == wanted, options
    assert any(len(one.get("sentence_info", ())) > 2 for one in expected)
    with ThreadPoolExecutor(16) as pool:
        order = [i % len(some) for i in range(20)]
        got = list(pool.map(lambda i: model.generate(wave(), key="k", **some[i])[0], order))
    assert got == [expected[i] for i in order]


def test_utterances(main: str, punctuation: str) -> None:
    models = {"model": main, "punc_model": punctuation}
    reference = pipeline_oracle(**models)
    clips = [*(speech(2.0, seed) for seed in range(4)), np.zeros(16000, np.float32)]
    with AutoModel(**models, disable_pbar=True) as model:
        for options in ({}, {"return_raw_text": True}, {"split_size": 3}):
            for clip in clips:
                expected = reference.generate(clip.copy(), key="k", **options)[0]
                assert model.generate(clip, key="k", **options)[0] == expected
        keys = [one["key"] for one in model.generate(clips, key=list("abcde"))]
        assert keys == list("abcde")


def test_options_of_the_constructor(models: dict[str, Any], oracle: Any) -> None:
    with AutoModel(
        **models, punc_kwargs={"split_size": 7}, return_raw_text=True, disable_pbar=True
    ) as model:
        expected = answer(oracle, split_size=7, return_raw_text=True)
        assert model.generate(wave(), key="k")[0] == expected
    with (
        pytest.warns(UserWarning, match="punc_kwargs has no effect without punc_model"),
        AutoModel("demo", punc_kwargs={"split_size": 7}),
    ):
        pass


def test_silence_has_no_sentences(model: AutoModel) -> None:
    result = model.generate(np.zeros(32000, np.float32), sentence_timestamp=True, key="k")[0]
    assert result == {"key": "k", "text": "", "timestamp": [], "sentence_info": []}


def test_sentences_without_punctuation() -> None:
    """The detector's segments; FunASR gives none where there are times."""
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        result = model.generate(wave(), sentence_timestamp=True, pred_timestamp=True)[0]
        sentences = result["sentence_info"]
        assert " ".join(one["text"] for one in sentences) == result["text"]
        assert [pair for one in sentences for pair in one["timestamp"]] == result["timestamp"]


def test_what_goes_with_punctuation(punctuation: str) -> None:
    for name in ("demo-streaming", "demo-vad", punctuation):
        with pytest.raises(UnsupportedModelError, match="punc_model= goes with an offline"):
            AutoModel(name, punc_model=punctuation)
    with pytest.raises(UnsupportedModelError, match="is not a punctuation model"):
        AutoModel("demo", punc_model="demo-vad")


@pytest.mark.parametrize("segmented", [False, True])
@pytest.mark.slow
def test_cancelled_and_drained(models: dict[str, Any], segmented: bool) -> None:
    """Between the text and its marks, too: what is left is whole, and nothing is lost."""
    given = models if segmented else {**models, "vad_model": None}
    clips = [wave() if segmented else speech(2.0, i) for i in range(24)]
    with AutoModel(**given, disable_pbar=True) as model:
        expected = [model.generate(clip, key="k") for clip in clips]
        order = random.Random(segmented)
        futures = [model.submit(clip, key="k") for clip in clips]
        for future in order.sample(futures, 12):
            time.sleep(order.random() / 50)
            future.cancel()
        model.close(drain=True)
        for future, wanted in zip(futures, expected, strict=True):
            assert future.done()
            if not future.cancelled():
                assert future.result(0) == wanted
        stats = model.stats()
        assert stats["waiting"] == 0 and sum(not one.cancelled() for one in futures) >= 12


def test_a_deadline_holds_for_the_marks(models: dict[str, Any]) -> None:
    with AutoModel(**models, disable_pbar=True) as model:
        with pytest.raises(DeadlineExceededError):
            model.generate([wave()] * 40, timeout=0.05)
        assert model.generate(wave())[0]["text"]


def well_named(result: dict[str, Any], cut: bool) -> dict[str, Any]:
    """The result with words that are those of the text, as trained models name them.

    Random ones name tags in the middle, too, and then marks fit no words.

    Args:
        result: of a piece.
        cut: each word is one to the punctuation model, too.
    """
    named = [
        (word.strip(), times)
        for word, times in zip(result["words"], result["timestamp"], strict=True)
        if word.strip() and "|" not in word
    ]
    if cut:
        named = [(one, list(times)) for word, times in named for one in split_words(word)]
    words = [word for word, _ in named]
    text = "<|zh|><|NEUTRAL|><|Speech|><|withitn|>" + " ".join(words)
    return {**result, "text": text, "words": words, "timestamp": [times for _, times in named]}


@pytest.mark.parametrize("cut", [False, True])
def test_words_of_the_text(
    sense_voice: str, punctuation: str, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    given = {"model": sense_voice, "vad_model": str(MODELS / "demo-vad"), "punc_model": punctuation}
    oracle = pipeline_oracle(**given)
    infer = oracle.model.inference

    def inference(*args: Any, **kwargs: Any) -> Any:
        results, meta = infer(*args, **kwargs)
        return [well_named(one, cut) for one in results], meta

    monkeypatch.setattr(oracle.model, "inference", inference)
    with AutoModel(**given, disable_pbar=True) as model:
        main = model._companions.main
        finish = main.finish
        monkeypatch.setattr(main, "finish", lambda *args: well_named(finish(*args), cut))
        for raw in (False, True):
            options = {
                "output_timestamp": True, "sentence_timestamp": True, "return_raw_text": raw,
            }  # fmt: skip
            expected = answer(oracle, **options)
            assert model.generate(wave(), key="k", **options)[0] == expected
            assert len(expected["sentence_info"]) > 3
            assert all(one["text"][-1] in "，。？、,.?" for one in expected["sentence_info"])
