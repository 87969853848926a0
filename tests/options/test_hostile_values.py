"""Every option and every argument with values that it should not have.

Each is refused with its name before anything is queued, or the call is answered.
"""

from __future__ import annotations

import asyncio
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AutoModel,
    DeadlineExceededError,
    OptionError,
    SafeASRError,
)
from safeasr.families.table import family_of_class, model_classes
from safeasr.options.checker import AUTO_MODEL, GENERATE, STREAM, checked, of_model
from safeasr.options.declared import Options
from safeasr.options.model import model_arguments, plain_given
from safeasr.options.names import COMMON, CONFIG, CONSTRUCTOR_OPTIONS, HOTWORDS, OWN_OPTIONS
from support.audio import speech
from support.hostile import HOSTILE

CLIP = speech(0.4)
MODELS: dict[str, dict[str, Any]] = {
    "offline": {"model": "demo"},
    "recordings": {"model": "demo", "vad_model": "demo-vad"},
    "streaming": {"model": "demo-streaming"},
    "detector": {"model": "demo-vad"},
}
PLACES = [AUTO_MODEL, GENERATE, STREAM, of_model("vad_kwargs")]
#: A list of names for one input is refused by its length.
OTHER_WORDS = {"key": "keys were given"}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Iterator[AutoModel]:
    with AutoModel(**MODELS[request.param], num_workers=1, disable_pbar=True) as one:
        yield one


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)  # some values are good names of directories
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_plain(value: Any) -> bool:
    """Whether numpy is gone from it."""
    if isinstance(value, (list, tuple)):
        return all(is_plain(one) for one in value)
    return not isinstance(value, (np.generic, np.ndarray))


def refused(ask: Callable[[], Any], name: str) -> bool:
    """Whether it was refused, as it should be then."""
    try:
        ask()
    except OptionError as error:
        said = str(error)
    else:
        return False
    assert name in said or OTHER_WORDS.get(name, name) in said
    assert len(said) < 600
    return True


def families() -> list[Any]:
    return [
        pytest.param(option, id=f"{kind}-{option.name}")
        for kind in model_classes()
        for option in family_of_class(kind).options.values()
    ] + [pytest.param(o, id=f"common-{o.name}") for o in (COMMON | HOTWORDS).values()]


@pytest.mark.parametrize("option", families())
def test_declared_options(option: Any) -> None:
    """Of all families, in all places: refused by name, or plain Python afterwards."""
    options = Options(option)
    accepted = 0
    for value in HOSTILE.values():
        for place in PLACES:
            taken: dict[str, Any] = {}

            def ask(value: Any = value, place: Any = place, taken: dict[str, Any] = taken) -> None:
                taken.update(checked({option.name: value}, place, options))

            if not refused(ask, option.name) and option.name in taken:
                accepted += 1
                assert option.kind.words == "anything" or is_plain(taken[option.name])
    assert accepted < len(HOSTILE) * len(PLACES) or option.kind.words == "anything"
    assert checked({option.name: None}, GENERATE, Options()) is not None


@pytest.mark.parametrize("name", [*OWN_OPTIONS, *CONSTRUCTOR_OPTIONS, *CONFIG])
def test_arguments_of_the_constructor(name: str) -> None:
    """Nothing is loaded for it."""
    count = 0
    for value in HOSTILE.values():
        if name in OWN_OPTIONS:
            count += refused(lambda v=value: model_arguments(**{name: v}), name)
        else:
            count += refused(lambda v=value: plain_given({name: v}), name)
    assert count > 5 or name in ("dtype", "llm_dtype")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queue_size", 2**62),
        ("num_workers", 10**9),
        ("max_batch_frames", 2**70),
        ("max_batch_size", 2**70),
        ("max_streams", 2**70),
        ("intra_op_threads", 10**9),
        ("max_wait_ms", math.nan),
        ("max_wait_ms", math.inf),
        ("timeout", "5"),
        ("timeout", math.nan),
        ("model", 5),
        ("model", None),
        ("model_path", 5),
        ("vad_model", 5),
        ("vad_kwargs", 5),
        ("vad_kwargs", {5: 1}),
        ("device", 5),
        ("cuda_graphs", "yes"),
        ("ngpu", 2**70),
        ("ncpu", "2"),
        ("on_error", "ignore"),
        ("disable_pbar", "no"),
        ("encoder_conf", {"num_blocks": HOSTILE["deep list"]}),
    ],
)
def test_models_are_not_made(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=name):
        AutoModel(**{"model": "demo", name: value})


def test_the_largest_that_is_taken() -> None:
    options: dict[str, Any] = {
        "queue_size": np.int64(2**20), "max_streams": 2**63 - 1, "max_batch_frames": 2**40,
        "max_batch_size": 2**20, "num_workers": np.float64(2), "timeout": 1e10,
        "max_wait_ms": np.float32(0), "intra_op_threads": 2, "max_end_silence_time": math.inf,
    }  # fmt: skip
    with AutoModel("demo", disable_pbar=True, vad_model="demo-vad", **options) as one:
        assert one.generate(speech(2.0))[0]["text"]


def test_options_of_calls(model: AutoModel) -> None:
    """What is queued is answered, and what is refused was not queued."""
    names = [
        *COMMON, *HOTWORDS, *model._recognizer.options, "timeout", "progress_callback",
        "hotword", "merge_vad", "hub", "num_workers", "encoder_conf",
    ]  # fmt: skip
    for name in dict.fromkeys(names):
        for what, value in HOSTILE.items():
            options = {"disable_pbar": True, name: value}
            before = model.stats()["submitted"]
            try:
                answer = model.generate(CLIP, **options)
            except DeadlineExceededError:
                assert name == "timeout" and float(value) < 60, what
            except SafeASRError as error:
                said = str(error)
                assert name in said or OTHER_WORDS.get(name, name) in said, (name, what)
                if name != "sil_pdf_ids":  # only the network knows how many scores there are
                    assert model.stats()["submitted"] == before, (name, what)
            else:
                assert set(answer[0]) & {"text", "value"}, (name, what)


def test_calls_that_do_not_wait(model: AutoModel) -> None:
    """The same checks, at once: not in the future, not in the task."""
    before = model.stats()["submitted"]
    for options in ({"fs": "16k"}, {"key": 5}, {"timeout": math.nan}, {"on_error": 1}):
        (name,) = options
        with pytest.raises(OptionError, match=name):
            model.submit(CLIP, **options)
        with pytest.raises(OptionError, match=name):
            asyncio.run(model.agenerate(CLIP, **options))
    assert model.stats()["submitted"] == before
    future = model.submit(CLIP)
    for value in (math.nan, -1, "5", True, [1]):
        for wait in (future.result, future.exception, future.wait):
            with pytest.raises(OptionError, match="timeout must be a number of seconds"):
                wait(value)
    with pytest.raises(OptionError, match="fn must be a callable"):
        future.add_done_callback(5)  # type: ignore[arg-type]
    for value in (math.inf, 1e300, 10**12, np.float32(60), np.int64(60)):
        assert len(future.result(value)) == 1
        assert len(model.generate(CLIP, timeout=value)) == 1


def test_streams(model: AutoModel) -> None:
    if "vad_model" in model.kwargs or not model._recognizer.options:
        pytest.skip("its streams are those of the others")
    names = ["mode", "key", "fs", "timeout", "max_pending", "vad_chunk_size"]
    for name in dict.fromkeys([*names, *model._recognizer.options]):
        for what, value in HOSTILE.items():
            said = name
            try:
                with model.stream(**{name: value}) as stream:
                    stream.finish(CLIP)
            except DeadlineExceededError:
                said = "timeout"
            except SafeASRError as error:
                said = str(error)
            assert name in said, (name, what)
    with model.stream() as stream:
        for what, value in HOSTILE.items():
            for name in ("is_final", "timeout"):
                said = name
                try:
                    stream.feed(CLIP, **{name: value})
                except DeadlineExceededError:
                    said = "timeout"
                except OptionError as error:
                    said = str(error)
                assert name in said, what


def test_export(tmp_path: Path) -> None:
    with AutoModel("demo-vad", num_workers=1) as one:
        for name, bad in (("output_dir", (2, b"x", "\0", [])), ("precision", (2, "float", []))):
            for value in bad:
                with pytest.raises(OptionError, match=name):
                    one.export(**{name: value})
        with pytest.warns(UserWarning, match="option 'type' of export has no effect"):
            one.export(str(tmp_path / "out"), type="onnx")
        with pytest.raises(OptionError, match="drain"):
            one.close(drain="no")  # type: ignore[arg-type]


def test_very_many_unknown_names() -> None:
    with pytest.warns(UserWarning, match="unheard_of_0") as caught:
        checked({f"unheard_of_{i}": i for i in range(5000)}, GENERATE, Options())
    assert len(caught) == 21
    assert "4980 more options of generate" in str(caught[-1].message)
    with pytest.raises(OptionError, match="the name of an option of vad_kwargs must be a str"):
        checked({5: 1}, of_model("vad_kwargs"), Options())  # type: ignore[dict-item]


def test_none_is_the_default() -> None:
    """Of the constructor's, too."""
    with AutoModel("demo", num_workers=1, disable_pbar=True, pred_timestamp=True) as one:
        everything = dict.fromkeys([*COMMON, *HOTWORDS, *one._recognizer.options])
        answer = one.generate(speech(2.0), **everything)
        assert set(answer[0]) == {"key", "text", "timestamp"}
