"""Options of the constructor and of calls: checked, named when unknown, and never leaking."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, UnsupportedModelError
from support.audio import speech

CLIP = speech(2.0)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"vda_model": "fsmn-vad"}, TypeError, "vad_model"),
        ({"punc_model": "demo"}, UnsupportedModelError, "punc_model='demo'"),
        ({"punc_model": 3}, ValueError, "punc_model must be a path"),
        ({"spk_model": "demo"}, UnsupportedModelError, "spk_model='demo'"),
        ({"spk_model": 3}, ValueError, "spk_model must be a path"),
        ({"num_workers": 0}, ValueError, "num_workers must be a whole number of at least 1"),
        ({"num_workers": 1.5}, ValueError, "num_workers"),
        ({"num_workers": True}, ValueError, "num_workers"),
        ({"max_batch_size": -1}, ValueError, "max_batch_size"),
        ({"max_batch_frames": 0}, ValueError, "max_batch_frames"),
        ({"max_wait_ms": -1}, ValueError, "max_wait_ms must be a number that is not negative"),
        ({"max_wait_ms": float("nan")}, ValueError, "max_wait_ms"),
        ({"max_wait_ms": "soon"}, (TypeError, ValueError), "max_wait_ms"),
        ({"queue_size": 0}, ValueError, "queue_size"),
        ({"queue_size": "many"}, (TypeError, ValueError), "queue_size"),
        ({"timeout": -1}, ValueError, "timeout"),
        ({"timeout": "long"}, (TypeError, ValueError), "timeout"),
        ({"hub": "nowhere", "model": "no-such-model"}, UnsupportedModelError, "hub='nowhere'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_arguments_are_named(
    model_dir: Path, options: dict[str, Any], kind: Any, message: str
) -> None:
    with pytest.raises(kind, match=message):
        AutoModel(**{"model": str(model_dir), **options}).close()


def test_no_side_models_is_no_error(make_model: Callable[..., AutoModel]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = make_model(
            vad_model=None, punc_model=None, spk_model=None, vad_kwargs={}, disable_update=True,
            disable_log=True, hub="ms", ncpu=1, seed=3, batch_size=4, fp16=False,
        )  # fmt: skip
    assert model.generate(CLIP)[0]["text"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"no_such_thing": 1}, "no_such_thing"),
        ({"fp16": True}, "fp16=True is not supported: running in float32"),
        ({"device": "npu:0"}, "npu:0"),
    ],
)
def test_what_is_not_honoured_is_named(
    make_model: Callable[..., AutoModel], options: dict[str, Any], message: str
) -> None:
    with pytest.warns(UserWarning, match=message) as caught:
        model = make_model(**options)
    # The warning must point at the caller's line, or nobody finds it.
    assert any(Path(w.filename).name == "conftest.py" for w in caught)
    assert model.generate(CLIP)[0]["text"]


def test_unknown_options_of_a_call_are_named(model: AutoModel) -> None:
    expected = model.generate(CLIP)[0]["text"]
    with pytest.warns(UserWarning, match="'no_such_option'") as caught:
        result = model.generate(CLIP, no_such_option=3)
    assert result[0]["text"] == expected
    assert Path(caught[0].filename).name == Path(__file__).name
    with pytest.warns(UserWarning, match="'hotword' has no effect"):
        assert model.generate(CLIP, hotword="hello")[0]["text"] == expected


def test_known_options_are_quiet(model: AutoModel) -> None:
    expected = model.generate(CLIP)[0]["text"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = model.generate(
            CLIP, batch_size=4, batch_size_s=300, batch_size_threshold_s=60, fs=16000, cache={},
            data_type="sound", is_final=False, hotword="", nbest=0, decoding_ctc_weight=0.0,
            lm_weight=0.0, disable_pbar=True, key="k",
        )  # fmt: skip
    assert result == [{"key": "k", "text": expected}]


def test_constructor_defaults_hold_for_calls_that_do_not_say_otherwise(
    make_model: Callable[..., AutoModel],
) -> None:
    model = make_model(pred_timestamp=True, key="given")
    assert set(model.generate(CLIP)[0]) == {"key", "text", "timestamp"}
    assert set(model.generate(CLIP, pred_timestamp=False)[0]) == {"key", "text"}
    assert model.generate(CLIP)[0]["key"] == "given"


def test_options_do_not_leak_into_later_calls(model: AutoModel) -> None:
    plain = model.generate(CLIP, key="a")
    model.generate(CLIP, key="b", pred_timestamp=True, begin_time=500, postprocess_hotwords="x=>y")
    assert model.generate(CLIP, key="a") == plain


def test_options_do_not_leak_between_threads(model: AutoModel) -> None:
    """In FunASR the options of one thread change the results of another."""
    plain = model.generate(CLIP, key="p")
    timed = model.generate(CLIP, key="t", pred_timestamp=True)
    late = model.generate(CLIP, key="l", pred_timestamp=True, begin_time=7000)
    assert late[0]["timestamp"] != timed[0]["timestamp"]
    calls = [
        (plain, {"key": "p"}),
        (timed, {"key": "t", "pred_timestamp": True}),
        (late, {"key": "l", "pred_timestamp": True, "begin_time": 7000}),
    ]

    def check(n: int) -> None:
        expected, options = calls[n % 3]
        assert model.generate(CLIP, **options) == expected

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(90)))


def test_arguments_are_not_changed(model: AutoModel) -> None:
    cache: dict[str, Any] = {}
    before = CLIP.copy()
    model.generate(CLIP, cache=cache)
    assert cache == {}
    assert (before == CLIP).all()


def test_kwargs_is_a_copy(make_model: Callable[..., AutoModel], model_dir: Path) -> None:
    model = make_model(key="mine")
    assert model.kwargs["key"] == "mine"
    assert model.kwargs["model"] == str(model_dir)
    assert model.kwargs["device"] == "cpu"
    model.kwargs["key"] = "other"
    model.kwargs["pred_timestamp"] = True
    assert model.generate(CLIP) == model.generate(CLIP, key="mine")
    assert model.model_path == str(model_dir)
