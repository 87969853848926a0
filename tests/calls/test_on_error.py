"""One bad input of many: its error in its place, or raised with what is done."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AudioError,
    AudioFileNotFoundError,
    AutoModel,
    CancelledError,
    DeadlineExceededError,
    EngineClosedError,
    InferenceError,
    QueueFullError,
    SafeASRError,
)
from support.audio import speech

CLIPS = [speech(1.5 + n / 4, seed=n) for n in range(4)]
BAD: dict[str, tuple[Any, type[SafeASRError]]] = {
    "missing file": ("no/such/file.wav", AudioFileNotFoundError),
    "NaN": (np.full(8000, np.nan, np.float32), AudioError),
    "empty": (np.zeros(0, np.float32), AudioError),
    "None": (None, AudioError),
    "dict": ({"audio": 1}, AudioError),
    "shape": (np.zeros((2, 3, 4), np.float32), AudioError),
    "container": (b"RIFF\x10\0\0\0WAVEgarbage!", AudioError),
    "closed file": (io.BytesIO(), AudioError),
}
BAD["closed file"][0].close()


@pytest.fixture(scope="module", params=["alone", "with a detector"])
def model(request: pytest.FixtureRequest) -> Iterator[AutoModel]:
    beside = {"vad_model": "demo-vad"} if request.param == "with a detector" else {}
    with AutoModel("demo", num_workers=1, disable_pbar=True, **beside) as one:
        yield one


@pytest.fixture(scope="module")
def expected(model: AutoModel) -> list[dict[str, Any]]:
    answers = [model.generate(clip, key=f"k{n}")[0] for n, clip in enumerate(CLIPS)]
    assert all(one["text"] for one in answers)
    return answers


def ways(model: AutoModel) -> dict[str, Callable[..., list[dict[str, Any]]]]:
    return {
        "generate": model.generate,
        "submit": lambda *a, **o: model.submit(*a, **o).result(60),
        "agenerate": lambda *a, **o: asyncio.run(model.agenerate(*a, **o)),
    }


@pytest.mark.parametrize("way", ["generate", "submit", "agenerate"])
@pytest.mark.parametrize("name", BAD)
def test_errors_in_their_places(
    model: AutoModel, expected: list[dict[str, Any]], name: str, way: str
) -> None:
    value, kind = BAD[name]
    inputs = [CLIPS[0], value, CLIPS[1], CLIPS[2], value, CLIPS[3]]
    keys = ["k0", "bad", "k1", "k2", "worse", "k3"]
    got = ways(model)[way](inputs, key=keys, on_error="return", timeout=100)
    assert [one for one in got if "error" not in one] == expected
    for place, key in ((1, "bad"), (4, "worse")):
        assert set(got[place]) == {"key", "error"}
        assert got[place]["key"] == key
        assert isinstance(got[place]["error"], kind)
        assert f"input {place} (key {key!r})" in str(got[place]["error"])
    alone = ways(model)[way](value, key="bad", on_error="return")
    assert [set(one) for one in alone] == [{"key", "error"}]
    with pytest.raises(kind):
        ways(model)[way](value, on_error="raise")


def test_raised_with_what_is_done(model: AutoModel, expected: list[dict[str, Any]]) -> None:
    keys = ["k0", "k1", "bad", "k2"]
    inputs = [CLIPS[0], CLIPS[1], "nowhere.wav", CLIPS[2]]
    with pytest.raises(AudioFileNotFoundError) as caught:
        model.generate(inputs, key=keys)
    assert caught.value.results == [*expected[:2], None, None]
    with pytest.raises(AudioFileNotFoundError) as caught:
        model.submit(inputs, key=keys)
    assert caught.value.results is None, "nothing was queued"


def test_a_default_of_the_constructor(expected: list[dict[str, Any]]) -> None:
    with AutoModel("demo", num_workers=1, disable_pbar=True, on_error="return") as one:
        got = one.generate(["nowhere.wav", CLIPS[0]])
        assert isinstance(got[0]["error"], AudioFileNotFoundError)
        with pytest.raises(AudioFileNotFoundError):
            one.generate("nowhere.wav", on_error="raise")


def test_list_files_and_output(
    model: AutoModel, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    import soundfile

    soundfile.write(tmp_path / "good.wav", CLIPS[0], 16000, subtype="FLOAT")
    scp = tmp_path / "list.scp"
    scp.write_text(f"bad {tmp_path / 'missing.wav'}\nk0 {tmp_path / 'good.wav'}\n")
    got = model.generate(
        str(scp), on_error="return", output_dir=str(tmp_path), postprocess_hotwords="zz=>y",
        return_postprocess_hotword_matches=True,
    )  # fmt: skip
    assert set(got[0]) == {"key", "error"}
    assert got[1] == {**expected[0], "postprocess_hotword_matches": []}
    lines = (tmp_path / "1best_recog" / "text").read_text().splitlines()
    assert lines == [f"k0 {expected[0]['text']}"]


def test_the_network_fails_on_one(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    gate.open()
    one = gated_model(max_batch_size=4)
    rng = np.random.default_rng(0)
    good = [rng.standard_normal((20, 560)).astype(np.float32) for _ in range(3)]
    bad = good[0].copy()
    bad[5, 5] = 1e9
    expected = one.generate(good, data_type="fbank", key=["a", "b", "c"])
    inputs, keys = [good[0], bad, *good[1:]], ["a", "bad", "b", "c"]
    options = {"data_type": "fbank", "key": keys}
    for ask in (one.generate, lambda *a, **o: one.submit(*a, **o).result(60)):
        got = ask(inputs, on_error="return", **options)
        assert [got[0], *got[2:]] == expected
        assert isinstance(got[1]["error"], InferenceError)
        with pytest.raises(InferenceError) as caught:
            ask(inputs, **options)
        assert caught.value.results is not None
        assert caught.value.results[:2] == [expected[0], None]
    with pytest.raises(InferenceError) as caught:
        one.submit(inputs, **options).result(60)
    assert caught.value.results == [expected[0], None, *expected[1:]]


def long_list(gate: Any) -> dict[str, Any]:
    """Of whose inputs the first alone comes through the gate."""
    rng = np.random.default_rng(1)
    return {
        "input": [rng.standard_normal((20, 560)).astype(np.float32) for _ in range(6)],
        "data_type": "fbank",
        "key": [f"k{n}" for n in range(6)],
    }


def test_a_deadline(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    """What is done can be had, however it was asked for."""
    one = gated_model(max_batch_size=1)
    for way in ("generate", "agenerate"):  # a future's result waits for what runs
        ask = ways(one)[way]
        with pytest.raises(DeadlineExceededError) as caught:
            ask(**long_list(gate), timeout=0.3)
        assert caught.value.results == [None] * 6
        got = ask(**long_list(gate), timeout=0.3, on_error="return")
        assert [one["key"] for one in got] == [f"k{n}" for n in range(6)]
        assert all(isinstance(one["error"], DeadlineExceededError) for one in got)
    gate.open()
    assert all("text" in r for r in one.generate(**long_list(gate), on_error="return"))


def test_a_deadline_in_the_middle(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    gate.open()
    one = gated_model(max_batch_size=1)
    done: list[int] = []

    def progress(count: int, total: int) -> None:
        done.append(count)
        if count == 2:
            gate.close()

    with pytest.raises(DeadlineExceededError) as caught:
        one.generate(**long_list(gate), progress_callback=progress, timeout=2)
    results = caught.value.results
    assert results is not None and len(results) == 6
    assert [r["key"] for r in results[:2] if r] == ["k0", "k1"]
    assert results[-1] is None
    assert done[:2] == [1, 2]


def test_ctrl_c_has_what_is_done(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    gate.open()
    one = gated_model(max_batch_size=1)

    def progress(count: int, total: int) -> None:
        if count == 2:
            gate.close()
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt) as caught:
        one.generate(**long_list(gate), progress_callback=progress)
    results = caught.value.results  # type: ignore[attr-defined]
    assert [r["key"] for r in results[:2]] == ["k0", "k1"]
    assert len(results) == 6 and results[-1] is None
    gate.open()


def test_closed_in_the_middle(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    for on_error in ("raise", "return"):
        gate.open()
        one = gated_model(max_batch_size=1)
        closing: list[threading.Thread] = []

        def progress(count: int, total: int, one: Any = one, closing: Any = closing) -> None:
            if count == 2:
                gate.close()
                closing.append(threading.Thread(target=one.close, kwargs={"drain": False}))
                closing[0].start()
                while not one.closed:
                    pass
                gate.open()

        options = {**long_list(gate), "progress_callback": progress, "on_error": on_error}
        if on_error == "return":
            got = one.generate(**options)
            assert all("text" in r for r in got[:2])
            assert isinstance(got[-1]["error"], EngineClosedError)
        else:
            with pytest.raises(EngineClosedError) as caught:
                one.generate(**options)
            assert caught.value.results is not None
            assert [bool(r) for r in caught.value.results[:2]] == [True, True]
        closing[0].join(60)
        with pytest.raises(EngineClosedError):
            one.generate(CLIPS[0], on_error="return")


def test_a_full_queue(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    """Submit refuses: nothing was accepted. Generate had its time, so it is the inputs' error."""
    one = gated_model(max_batch_size=1, queue_size=1)
    with pytest.raises(QueueFullError):
        one.submit(**long_list(gate), timeout=0, on_error="return")
    got = one.generate(**long_list(gate), timeout=0.3, on_error="return")
    assert len(got) == 6
    assert {type(r["error"]) for r in got} <= {QueueFullError, DeadlineExceededError}


def test_cancelled_is_cancelled(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    one = gated_model(max_batch_size=1)
    future = one.submit(**long_list(gate), on_error="return")
    assert future.cancel()
    gate.open()
    with pytest.raises(CancelledError):
        future.result(60)


@pytest.mark.parametrize("error", [ValueError, SafeASRError, SystemExit])
def test_a_progress_callback_that_raises(
    model: AutoModel, expected: list[dict[str, Any]], error: type[BaseException]
) -> None:
    def progress(done: int, total: int) -> None:
        raise error("mine")

    if issubclass(error, Exception):
        assert model.generate(CLIPS[0], key="k0", progress_callback=progress) == expected[:1]
    else:
        with pytest.raises(error) as caught:
            model.generate(CLIPS[:2], key=["k0", "k1"], progress_callback=progress)
        assert caught.value.results[0] == expected[0]  # type: ignore[attr-defined]
