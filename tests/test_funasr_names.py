"""The names that people have from FunASR: attributes, methods, modules, the package itself."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import safeasr
from safeasr import AutoFrontend, AutoModel, OptionError, UnsupportedModelError, assembled
from support.audio import Samples, speech
from support.oracle import pipeline_oracle
from support.processes import child_environment, run_to_end
from support.punctuation import WHOLE_SHAPES, write_punc_dir
from support.vad import conversation

MODELS = Path(safeasr.__file__).parent / "models"
pytest.importorskip("funasr", reason="funasr is the reference")


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "model": str(MODELS / "demo"),
        "vad_model": str(MODELS / "demo-vad"),
        "vad_kwargs": {"max_end_silence_time": 500},
        "punc_model": str(write_punc_dir(tmp_path_factory.mktemp("punc"), WHOLE_SHAPES[0])),
    }


@pytest.fixture(scope="module")
def model(named: dict[str, Any]) -> Iterator[AutoModel]:
    with AutoModel(**named, disable_pbar=True) as made:
        yield made


@pytest.fixture(scope="module")
def wave() -> Samples:
    return conversation(12, seed=2)


def test_each_model_alone(named: dict[str, Any], model: AutoModel, wave: Samples) -> None:
    """As FunASR's ``inference``, from many threads."""
    oracle = pipeline_oracle(**named)
    text = "今天天气很好我们去公园玩吧"
    calls: list[tuple[str, Any, dict[str, Any]]] = [
        ("model", wave, {}),
        ("vad_model", wave, {}),
        ("vad_model", wave, {"max_end_silence_time": 200}),
        ("punc_model", text, {}),
    ]

    def asked(of: Any, call: tuple[str, Any, dict[str, Any]]) -> Any:
        role, data, options = call
        kwargs = of.kwargs if role == "model" else getattr(of, f"{role.split('_')[0]}_kwargs")
        data = data.copy() if isinstance(data, np.ndarray) else data
        found = of.inference(
            data, model=getattr(of, role), kwargs=kwargs, disable_pbar=True, **options
        )[0]
        del found["key"]  # a random one
        return {name: getattr(one, "tolist", lambda o=one: o)() for name, one in found.items()}

    expected = [asked(oracle, call) for call in calls]
    # FunASR keeps the option of a call for the calls that follow.
    expected[1] = asked(pipeline_oracle(**named), calls[1])
    assert expected[1] != expected[2]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda i: asked(model, calls[i % 4]), range(32)))
    assert got == expected * 8


def test_what_has_which_names(model: AutoModel, wave: Samples) -> None:
    assert [part.task for part in (model.model, model.vad_model, model.punc_model) if part] == [
        "asr", "vad", "punc",
    ]  # fmt: skip
    assert model.spk_model is None and model.spk_kwargs == {}
    assert model.vad_kwargs == {"max_end_silence_time": 500}
    model.vad_kwargs["max_end_silence_time"] = 1  # a copy
    assert model.vad_kwargs == {"max_end_silence_time": 500}
    whole = model.generate(wave, key="k")
    assert model(wave, key="k") == model.inference_with_vad(wave, key="k") == whole
    with AutoModel("demo", disable_pbar=True) as alone:
        assert alone.vad_model is None and alone.punc_model is None
        assert alone.inference(wave, key="k") == alone.generate(wave, key="k")
        with pytest.raises(UnsupportedModelError, match="needs a vad_model"):
            alone.inference_with_vad(wave)
        for wrong in ("vad_model", alone, 3):
            with pytest.raises(OptionError, match="must be a part of an AutoModel"):
                alone.inference(wave, model=wrong)  # type: ignore[arg-type]
        part = alone.model
        with pytest.raises(OptionError, match="progress_callback"):
            part.generate(wave, progress_callback=5)  # type: ignore[arg-type]
    with pytest.raises(safeasr.EngineClosedError):
        part.generate(wave)


def test_defaults_of_the_constructor_hold_for_parts(wave: Samples) -> None:
    given: dict[str, Any] = {
        "max_audio_seconds": 5, "on_error": "return", "pred_timestamp": True, "disable_pbar": True,
        "vad_kwargs": {"max_end_silence_time": 200},
    }  # fmt: skip
    with AutoModel("demo", vad_model="demo-vad", **given) as model:
        assert "timestamp" in model.inference(wave[:48000])[0]
        for part in (model.model, model.vad_model):
            [result] = model.inference(wave, model=part)
            assert isinstance(result["error"], safeasr.AudioTooLongError)


def test_a_part_outlives_nobody_who_knows_it(wave: Samples) -> None:
    """It keeps its model, which is closed when the process ends."""
    part = AutoModel("demo", disable_pbar=True).model
    gc.collect()
    assert part.generate(wave[:32000])[0]["text"]
    assert part._owner in assembled._open_models


def test_build_model(wave: Samples) -> None:
    network, kwargs = AutoModel.build_model(model="demo", disable_pbar=True)
    with AutoModel("demo", disable_pbar=True) as other:
        expected = other.generate(wave, key="k", pred_timestamp=True)
        found = other.inference(wave, model=network, kwargs=kwargs, key="k", pred_timestamp=True)
    assert found == expected
    assert kwargs["model"] == "demo"


def test_frontend() -> None:
    """Features equal to FunASR's, and what a model makes of them to what it makes of samples."""
    from funasr import AutoFrontend as FunAsr

    clips = [speech(1.0, 1), speech(2.3, 2), speech(0.4, 3)]
    reference = FunAsr(model=str(MODELS / "demo"), device="cpu", disable_update=True)
    frontend = AutoFrontend(model="demo", batch_size=2)
    batches = frontend([clip.copy() for clip in clips], key=["a", "b", "c"])
    assert [one["key"] for one in batches] == [["a", "b"], ["c"]]
    assert {one["data_type"] for one in batches} == {"fbank"}
    assert batches[0]["input"].shape[0] == 2
    singly = [one for batch in batches for one in zip(batch["input"], batch["input_len"])]
    for clip, (rows, length) in zip(clips, singly, strict=True):
        expected = reference(clip.copy())[0]
        assert expected["input_len"].tolist() == [int(length)]
        assert expected["input_len"].dtype == length.dtype
        assert np.abs(expected["input"][0].numpy() - rows[:length].numpy()).max() < 1e-3
        assert not rows[length:].any()
    with AutoModel("demo", disable_pbar=True) as model:
        whole = [one["text"] for one in model.generate(clips)]
        parts = [one["text"] for batch in batches for one in model.generate(**batch)]
        assert parts == whole
    arrays = frontend(clips[0], return_pt=False)[0]
    assert isinstance(arrays["input"], np.ndarray)
    with pytest.raises(safeasr.AudioError):
        frontend(np.zeros(0, np.float32))
    for wrong in (
        {"batch_size": 0}, {"fs": "high"}, {"data_type": "text"}, {"data_type": "fbank"},
        {"kwargs": 5}, {"device": 3},
    ):  # fmt: skip
        with pytest.raises(OptionError):
            frontend(clips[0], **wrong)
    with pytest.raises(OptionError, match="hub"):
        AutoFrontend(model="demo", hub=5)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="running on the CPU"):
        assert frontend(clips[0], device="cuda:63")[0]["input"].device.type == "cpu"


def test_models_without_a_frontend(named: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModelError, match="has no frontend"):
        AutoFrontend(model=named["punc_model"])


def test_modules() -> None:
    from safeasr.utils import postprocess_utils

    tagged = "<|zh|><|HAPPY|><|Speech|><|withitn|>你好"
    assert postprocess_utils.rich_transcription_postprocess(tagged) == (
        safeasr.rich_transcription_postprocess(tagged)
    )


#: Code that knows of FunASR only.
THEIRS = """
import sys
import safeasr
if BEFORE:
    import funasr as already
safeasr.install_as_funasr()
safeasr.install_as_funasr()
import funasr, time
from funasr import AutoFrontend, AutoModel
from funasr.auto.auto_model import AutoModel as Other
from funasr.utils.postprocess_utils import rich_transcription_postprocess
assert AutoModel is Other is funasr.AutoModel is safeasr.AutoModel
assert AutoFrontend is funasr.AutoFrontend is safeasr.AutoFrontend
assert funasr.__version__
from importlib.util import find_spec
assert (find_spec("funasr").origin is None) is HIDDEN
assert (find_spec("funasr.auto.auto_model").origin is None) is HIDDEN
if not HIDDEN:
    from funasr.auto.auto_model import prepare_data_iterator
    from funasr.register import tables
    assert prepare_data_iterator(["x"], data_type="text")
try:
    from funasr.auto.auto_model import no_such_name
except ImportError:
    pass
else:
    raise AssertionError
assert rich_transcription_postprocess("<|zh|><|NEUTRAL|><|Speech|><|woitn|>hello") == "hello"
print(AutoModel(model="demo", disable_update=True).generate([0.0] * 16000)[0]["text"] == "")
"""


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.slow
def test_under_the_name_of_funasr(before: bool) -> None:
    code = THEIRS.replace("BEFORE", str(before)).replace("HIDDEN", "False")
    done = run_to_end([sys.executable, "-c", code], timeout=300, env=child_environment())
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr


def test_under_the_name_of_funasr_that_is_not_there() -> None:
    hide = (
        "import importlib.abc\n"
        "class Hide(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'funasr' or name.startswith('funasr.'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    code = THEIRS.replace("BEFORE", "False").replace("HIDDEN", "True")
    code = code.replace("import safeasr\n", hide + "import safeasr\n", 1)
    done = run_to_end([sys.executable, "-c", code], timeout=300, env=child_environment())
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr
