"""FunASR's own classes, guarded, beside FunASR: fresh for each call, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import safeasr
from safeasr import InferenceError
from support.audio import speech
from support.cases import plain
from support.funasr_model import funasr_model
from support.guarded_real import write_nano, write_scama, write_uniasr
from support.models import write_model_dir
from support.punctuation import WHOLE_SHAPES, write_punc_dir
from support.streaming import write_streaming_dir
from support.vad import SHAPES as VAD_SHAPES
from support.vad import conversation, write_vad_dir

pytest.importorskip("funasr", reason="funasr is the reference")

CLIPS = [speech(seconds, seed=seed) for seed, seconds in enumerate((1.5, 3.0, 4.0))]
Made = Callable[[Path], Any]


def fresh(path: Path) -> Any:
    """FunASR's model, as it is before any call."""
    return funasr_model(model=str(path))


def guarded(path: Path, **options: Any) -> safeasr.AutoModel:
    own = {"device": "cpu", "ncpu": 1, "num_workers": 1, "disable_pbar": True}
    return safeasr.AutoModel(model=str(path), **{**own, **options})


def without_key(result: Any) -> Any:
    return plain([{name: value for name, value in one.items() if name != "key"} for one in result])


@pytest.mark.slow
def test_uniasr(tmp_path: Path) -> None:
    """FunASR sets up the search of all calls with the options of the first."""
    path = write_uniasr(tmp_path)
    calls = [
        (clip, options)
        for clip in CLIPS
        for options in ({}, {"decoding_model": "fast"}, {"decoding_model": "offline"})
    ]
    expected = [fresh(path).generate(clip, **options)[0]["text"] for clip, options in calls]
    assert len(set(expected)) > 6
    leaking = fresh(path)
    assert [leaking.generate(c, **o)[0]["text"] for c, o in calls] != expected
    with guarded(path) as model, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda call: model.generate(call[0], **call[1])[0]["text"], calls))
    assert found == expected


@pytest.mark.slow
def test_uniasr_in_a_process_with_several_answers(tmp_path: Path) -> None:
    path = write_uniasr(tmp_path)
    expected = fresh(path).generate(CLIPS[0], nbest=3)
    with guarded(path, isolation="process") as model:
        [found] = model.generate(CLIPS[0], nbest=3, key="k")
        assert [one["text"] for one in found["nbest"]] == [one["text"] for one in expected]
        assert (found["key"], found["text"]) == ("k", expected[0]["text"])
        assert len(model.generate(CLIPS[0])[0]) == 2


def test_funasrs_own_faults_are_typed_errors(tmp_path: Path) -> None:
    """SCAMA of FunASR 1.4.16 cannot search: its decoder does not know the argument ``cache``."""
    path = write_scama(tmp_path)
    with pytest.raises(TypeError):
        fresh(path).generate(CLIPS[1], is_final=True)
    with guarded(path) as model, pytest.raises(InferenceError, match="SCAMA failed: TypeError"):
        model.generate(CLIPS[1], is_final=True)


def test_nano(tmp_path: Path) -> None:
    """A language model's weights are converted by a call, and are what they were after it."""
    path = write_nano(tmp_path)
    calls: list[dict[str, Any]] = [
        {"max_length": 20},
        {"max_length": 20, "llm_dtype": "bf16"},
        {"max_length": 20},
        {"max_length": 10, "language": "中文", "itn": False, "hotwords": ["开放时间"]},
    ]
    expected = [
        without_key(fresh(path).generate([torch.from_numpy(CLIPS[1])], **one)) for one in calls
    ]
    with guarded(path) as model:
        assert [without_key(model.generate(CLIPS[1], **one)) for one in calls] == expected
        weights = model._by_itself._pool.workers[0].backend._model._auto.model.llm.parameters()  # type: ignore[union-attr]
        assert {one.dtype for one in weights} == {torch.float32}


@pytest.mark.parametrize(
    ("write", "given", "options"),
    [
        (write_model_dir, CLIPS[1], {}),
        (lambda path: write_vad_dir(path, VAD_SHAPES[0]), conversation(8, seed=3), {}),
        (lambda path: write_punc_dir(path, WHOLE_SHAPES[0]), "那今天的会就到这里吧明年见", {}),
    ],
    ids=["paraformer", "detector", "punctuation"],
)
def test_classes_that_run_natively_too(
    tmp_path: Path, write: Made, given: Any, options: dict[str, Any]
) -> None:
    write(tmp_path)
    expected = without_key(fresh(tmp_path).generate(given, **options))
    with guarded(tmp_path, guarded=True) as model:
        for _ in range(2):
            assert without_key(model.generate(given, **options)) == expected


def test_live_streams(tmp_path: Path) -> None:
    """Interleaved streams of a class of FunASR's: each says what it says alone."""
    write_streaming_dir(tmp_path)
    options = {"chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1}
    pieces = [np.array_split(clip, 4) for clip in CLIPS]

    def by_cache(model: Any, index: int) -> list[str]:
        cache: dict[str, Any] = {}
        return [
            model.generate(piece, cache=cache, is_final=at == 3, **options)[0]["text"]
            for at, piece in enumerate(pieces[index])
        ]

    theirs = fresh(tmp_path)
    expected = [by_cache(theirs, index) for index in range(3)]
    assert any("".join(one) for one in expected)
    with guarded(tmp_path, guarded=True) as model, ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda index: by_cache(model, index), range(3))) == expected
        with model.stream(**options) as stream:
            said = [stream.feed(piece, at == 3)["text"] for at, piece in enumerate(pieces[2])]
        assert said == expected[2]
