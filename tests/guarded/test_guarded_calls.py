"""Calls of guarded models: answers are FunASR's, and no call sees another."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from safeasr import (
    AudioFileNotFoundError,
    AutoModel,
    InferenceError,
    OptionError,
    OutOfMemoryError,
    SafeASRError,
)
from safeasr.options.cores import usable_cores
from support.funasr_model import funasr_model
from support.guarded import CLIP, TOYS, toy

FRESH = "160 16.000 beam=1 depth=0 memory=[None, [], {}, 0]"
WIDE = FRESH.replace("beam=1", "beam=5")


def text(model: AutoModel, **options: Any) -> str:
    found: str = model.generate(CLIP, **options)[0]["text"]
    return found


@pytest.fixture(scope="module")
def funasr_says(toy_dir: Path) -> Any:
    """FunASR's own answer, fresh."""

    def says(**options: Any) -> Any:
        model = funasr_model(model=str(toy_dir), trust_remote_code=True, remote_code=str(TOYS))
        return model.generate(input=CLIP, **options)

    return says


@pytest.mark.parametrize(
    "options", [{}, {"beam_size": 5}, {"nested_conf": {"depth": 7}, "timestamps": True}]
)
def test_as_funasr_fresh(guarded: AutoModel, funasr_says: Any, options: dict[str, Any]) -> None:
    [expected] = funasr_says(**options)
    [found] = guarded.generate(CLIP, key="k", **options)
    different = ("key", "pid", "threads")
    assert {k: v for k, v in found.items() if k not in different} == {
        k: v for k, v in expected.items() if k not in different
    }
    assert found["key"] == "k"


def test_funasr_itself_would_remember(funasr_says: Any, toy_dir: Path) -> None:
    """Otherwise the tests below would show nothing."""
    model = funasr_model(model=str(toy_dir), trust_remote_code=True, remote_code=str(TOYS))
    model.generate(input=CLIP)
    with pytest.raises(AssertionError, match="of another call"):
        model.generate(input=CLIP)


@pytest.mark.slow
def test_in_a_process_by_funasr_itself(toy_dir: Path, funasr_says: Any) -> None:
    [expected] = funasr_says(beam_size=5)
    with toy(toy_dir, isolation="process", workers=2) as model:
        for _ in range(2):
            [found] = model.generate(CLIP, beam_size=5)
            assert found["text"] == expected["text"]
            assert found["threads"] == max(1, usable_cores() // 2), "the workers share the cores"
        assert model.generate(np.ones((3, 4), np.float32), data_type="fbank")[0]["text"][:2] == "12"


def test_options_and_state_of_a_call_are_its_own(guarded: AutoModel) -> None:
    for options, expected in (
        ({"beam_size": 5}, WIDE),
        ({}, FRESH),
        ({"nested_conf": {"depth": 3}}, FRESH.replace("depth=0", "depth=3")),
        ({"act": "key error"}, None),
        ({"unknown_to_all": [1, 2]}, FRESH),
        ({}, FRESH),
    ):
        if expected is None:
            with pytest.raises(InferenceError):
                text(guarded, **options)
        else:
            assert text(guarded, **options) == expected


def test_what_was_given_is_not_changed(guarded: AutoModel) -> None:
    nested = {"depth": 3}
    clip = CLIP.copy()
    guarded.generate(clip, nested_conf=nested)
    assert nested == {"depth": 3}
    assert np.array_equal(clip, CLIP)


def test_from_many_threads(guarded: AutoModel) -> None:
    def one(index: int) -> bool:
        beam = index % 7
        wave = np.full(100 + index, 0.5, np.float32)
        heard = f"{100 + index} {(100 + index) / 2:.3f}"
        found = guarded.generate(wave, beam_size=beam, key=f"k{index}")[0]
        return found["key"] == f"k{index}" and found["text"] == FRESH.replace(
            "160 16.000 beam=1", f"{heard} beam={beam}"
        )

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(one, range(200)))


def test_lists_keys_and_errors(guarded: AutoModel, tmp_path: Path) -> None:
    path = tmp_path / "named.wav"
    soundfile.write(path, CLIP, 16000, subtype="FLOAT")
    found = guarded.generate([str(path), CLIP, str(tmp_path / "none.wav")], on_error="return")
    assert [one["key"] for one in found[:1]] == ["named"]
    assert [one.get("text") for one in found] == [FRESH, FRESH, None]
    assert isinstance(found[2]["error"], AudioFileNotFoundError)
    with pytest.raises(AudioFileNotFoundError) as raised:
        guarded.generate([CLIP, str(tmp_path / "none.wav")])
    assert raised.value.results is not None
    assert raised.value.results[0] is not None
    progress: list[tuple[int, int]] = []
    guarded.generate([CLIP] * 3, progress_callback=lambda *done: progress.append(done))
    assert progress == [(1, 3), (2, 3), (3, 3)]


def test_an_input_that_fails_among_others(guarded: AutoModel) -> None:
    found = guarded.generate([CLIP, CLIP], act="key error", on_error="return", key=["a", "b"])
    assert [(one["key"], type(one["error"])) for one in found] == [
        ("a", InferenceError), ("b", InferenceError),
    ]  # fmt: skip


def test_submit_and_agenerate(guarded: AutoModel) -> None:
    future = guarded.submit(CLIP, beam_size=5)
    assert future.result(30)[0]["text"] == WIDE

    async def both() -> list[Any]:
        return await asyncio.gather(*(guarded.agenerate(CLIP, beam_size=n) for n in (1, 5)))

    assert [one[0]["text"] for one in asyncio.run(both())] == [FRESH, WIDE]
    assert [one["text"] for one in guarded.generate_iter([CLIP, CLIP])] == [FRESH] * 2
    assert guarded.model.generate(CLIP)[0]["text"] == FRESH
    assert guarded.inference(CLIP, beam_size=5)[0]["text"] == WIDE


@pytest.mark.parametrize(
    ("act", "kind", "said", "cause"),
    [
        ("odd", InferenceError, "OddError: 1 and 2 do not agree", Exception),
        ("key error", InferenceError, "KeyError: 'no such token'", KeyError),
        ("unsayable", InferenceError, "UnsayableError", Exception),
        ("no memory", OutOfMemoryError, "CUDA out of memory", RuntimeError),
        ("exit", InferenceError, "SystemExit: the model wants to leave", BaseException),
        ("interrupt", InferenceError, "KeyboardInterrupt", BaseException),
    ],
)
def test_what_models_raise(
    guarded: AutoModel, act: str, kind: type[SafeASRError], said: str, cause: type[BaseException]
) -> None:
    with pytest.raises(kind, match="GuardedToy failed: ") as raised:
        guarded.generate(CLIP, act=act)
    assert said in str(raised.value)
    assert isinstance(raised.value.__cause__, cause)
    assert text(guarded) == FRESH


@pytest.mark.parametrize("answer", ["none", "word", "number"])
def test_odd_answers(guarded: AutoModel, answer: str) -> None:
    with pytest.raises(InferenceError, match="answered with no list of dicts"):
        guarded.generate(CLIP, answer=answer)
    assert text(guarded) == FRESH


def test_other_answers(guarded: AutoModel) -> None:
    assert guarded.generate(CLIP, answer="empty", key="k") == [{"key": "k", "text": ""}]
    [several] = guarded.generate(CLIP, answer="several", key="k")
    assert (several["key"], several["text"]) == ("k", "one")
    assert [one["text"] for one in several["nbest"]] == ["one", "two"]
    [tensor] = guarded.generate(CLIP, answer="tensor")
    assert torch.equal(tensor["tensor"], torch.arange(3.0))


def test_what_cannot_be_sent(in_processes: AutoModel, in_thread: AutoModel) -> None:
    with pytest.raises(InferenceError, match="pickle"):
        in_processes.generate(CLIP, answer="function")
    with pytest.raises(OptionError, match="cannot be sent"):
        in_processes.generate(CLIP, callback=lambda: None)
    assert text(in_processes) == FRESH
    # A thread needs not send anything.
    assert callable(in_thread.generate(CLIP, answer="function")[0]["function"])
    assert text(in_thread, callback=lambda: None) == FRESH


def test_the_programs_own_random_numbers_stay(toy_dir: Path) -> None:
    """FunASR seeds all generators when a model is made."""
    states = []
    for make in (False, True):
        random.seed(5)
        np.random.seed(5)
        torch.manual_seed(5)
        if make:
            toy(toy_dir).close()
        states.append((random.random(), np.random.random(), float(torch.rand(1))))
    assert states[0] == states[1]


def test_features(guarded: AutoModel) -> None:
    found = guarded.generate(np.ones((3, 4), np.float32), data_type="fbank")
    assert found[0]["text"].startswith("12 12.000")
