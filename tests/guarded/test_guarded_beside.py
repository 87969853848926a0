"""Guarded models beside others, on several devices, and what docs/differences.md says of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import AutoModel, UnsupportedModelError
from safeasr.calls.waiting import wait_for
from safeasr.families.terms import Terms
from safeasr.guarded.deciding import Loader
from safeasr.guarded.settings import guard_settings
from safeasr.options.model import model_options
from support.diarized import MODELS, same, wave
from support.funasr_model import funasr_model
from support.guarded import CLIP, TOYS, quick_funasr, toy, write_toy
from support.oracle import pipeline_oracle
from support.punctuation import WHOLE_SHAPES, write_punc_dir
from support.speakers import write_speaker_dir

Make = Callable[..., AutoModel]
SPEAKERS = {"growth_rate": 4, "bn_size": 2, "init_channels": 16, "embedding_size": 24}


def test_who_says_what(tmp_path: Path) -> None:
    """The whole pipeline of FunASR's README, whose recogniser is run by FunASR's own code."""
    models = {
        "model": str(MODELS / "demo"),
        "vad_model": str(MODELS / "demo-vad"),
        "punc_model": str(write_punc_dir(tmp_path / "punc", WHOLE_SHAPES[0])),
        "spk_model": str(write_speaker_dir(tmp_path / "spk", "CAMPPlus", SPEAKERS)),
    }
    own = {"guarded": True, "device": "cpu", "disable_pbar": True}
    options = {"pred_timestamp": True, "preset_spk_num": 2, "return_spk_center": True}
    np.random.seed(0)  # what FunASR's clustering draws from
    expected = {**pipeline_oracle(**models).generate(wave(), **options)[0], "key": "k"}
    assert len({one["spk"] for one in expected["sentence_info"]}) == 2
    with AutoModel(**models, **own) as model:
        same(model.generate(wave(), key="k", **options)[0], expected)
        assert "guarded" in model.stats()


def test_speakers_without_a_detector(make: Make) -> None:
    with pytest.warns(UserWarning, match="spk_model has no effect without vad_model"):
        model = make(spk_model="demo-spk")
    assert "sentence_info" not in model.generate(CLIP)[0]


def devices_of(path: Path, **guard: Any) -> tuple[set[str], list[str]]:
    """Where the copies of a model run that is to have two devices; what is warned of."""
    code = {"trust_remote_code": True, "remote_code": str(TOYS)}
    options = replace(model_options({}), device="cpu:0, cpu:1")
    with quick_funasr(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        loaded = Loader(code, options, guard_settings(guard)).main(str(path))
    model: Any = loaded.recognizer
    jobs = [model.submit(None, CLIP, {"seconds": 0.3}, Terms()) for _ in range(4)]
    for one in jobs:
        wait_for(one)
    found = {one.get()["device"] for one in jobs}
    model.close(drain=True)
    return found, [str(one.message) for one in caught if "device" in str(one.message)]


def test_several_devices(toy_dir: Path) -> None:
    both, said = devices_of(toy_dir, isolation="process", workers=2)
    assert both == {"cpu:0", "cpu:1"} and not said
    first, said = devices_of(toy_dir)
    assert first == {"cpu:0"}
    assert said == [
        "device='cpu:0, cpu:1': nothing will run on cpu:1. A guarded model has a copy on each "
        "device with isolation='process', workers=2"
    ]


def test_what_funasr_is_given(guarded: AutoModel, tmp_path: Path) -> None:
    """Samples at the model's rate, one input in each call, whatever ``batch_size`` says."""
    path = tmp_path / "named.wav"
    soundfile.write(path, np.full(8000, 0.1, np.float32), 8000, subtype="FLOAT")
    found = guarded.generate([str(path), CLIP, CLIP[:80]], batch_size=3)
    assert [one["text"].split()[0] for one in found] == ["16000", "160", "80"]
    assert found[0]["key"] == "named" and len({one["key"] for one in found}) == 3
    assert guarded.generate(CLIP, fs=8000, key="mine")[0]["text"].startswith("320 ")
    assert guarded.generate(CLIP, answer="several", key="mine")[0]["key"] == "mine"


def test_remote_code_that_fails(tmp_path: Path) -> None:
    """FunASR prints it, and fails later."""
    code = tmp_path / "broken_toys.py"
    code.write_text("raise RuntimeError('this file is broken')\n")
    path = write_toy(tmp_path / "model", "BrokenToy")
    given = {"trust_remote_code": True, "remote_code": str(code), "device": "cpu"}
    with pytest.raises(RuntimeError, match="'BrokenToy' is not registered"):
        funasr_model(model=str(path), **given)
    with pytest.raises(UnsupportedModelError, match=r"'BrokenToy' .*no such class in its registry"):
        toy(path, **given)
