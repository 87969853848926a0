"""Which models run guarded, what is refused, and what is said of it."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, ExportError, OptionError, UnsupportedModelError
from support.guarded import CLIP, TOYS, toy, write_toy
from support.hub import made_up_hub

Make = Callable[..., AutoModel]


def test_it_is_said_in_one_line(toy_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "safeasr"):
        toy(toy_dir).close()
    said = [one.getMessage() for one in caplog.records if one.name == "safeasr"]
    assert len(said) == 1
    assert "runs guarded, by FunASR's own code in a thread" in said[0]
    assert "'GuardedToy' is not supported" in said[0]


def test_never(toy_dir: Path) -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"'GuardedToy' is not supported yet.*Paraformer"
    ):
        toy(toy_dir, guarded=False)


def test_always(model_dir: Path, model: AutoModel, tmp_path: Path) -> None:
    """A native model by FunASR's own code answers the same."""
    from support.audio import speech

    clip = speech(3.0, seed=4)
    with AutoModel(model=str(model_dir), guarded=True, device="cpu", disable_pbar=True) as guarded:
        assert guarded.generate(clip)[0]["text"] == model.generate(clip)[0]["text"]
    with pytest.raises(UnsupportedModelError, match="is a bundle of safeasr"):
        AutoModel(model=model.export(str(tmp_path / "bundle")), guarded=True)


def test_what_has_no_effect_natively() -> None:
    with pytest.warns(UserWarning, match="isolation has no effect: safeasr runs this model itself"):
        AutoModel(model="demo", isolation="process", num_workers=1).close()


def test_without_funasr(toy_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "funasr" else known(name, *a)
    )
    for guarded in (None, True):
        with pytest.raises(UnsupportedModelError, match=r"pip install 'safeasr\[funasr\]'"):
            toy(toy_dir, guarded=guarded)


def test_remote_code_runs_only_when_asked(tmp_path: Path) -> None:
    code = tmp_path / "remote_toy.py"
    code.write_text(TOYS.read_text().replace('"GuardedToy"', '"RemoteToy"'))
    path = write_toy(tmp_path / "model", "RemoteToy")
    with pytest.raises(UnsupportedModelError, match=r"no such class in its registry.*trust_remote"):
        toy(path, trust_remote_code=False, remote_code=str(code))
    with toy(path, remote_code=str(code)) as model:
        assert model.generate(CLIP)[0]["text"]


def test_what_neither_knows(tmp_path: Path) -> None:
    path = write_toy(tmp_path, "NobodysModel")
    with pytest.raises(UnsupportedModelError, match="'NobodysModel' is not supported yet"):
        toy(path)


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"has no config\.yaml"):
        toy(tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"isolation": "fibre"}, "isolation must be one of thread, process"),
        ({"workers": 0, "isolation": "process"}, "workers must be a whole number"),
        ({"workers": 2}, "needs isolation='process'"),
        ({"max_memory": 1 << 30}, "needs isolation='process'"),
        ({"max_calls": 5, "isolation": "thread"}, "needs isolation='process'"),
        ({"max_calls": "many", "isolation": "process"}, "max_calls must be a whole number"),
        ({"max_memory": 0, "isolation": "process"}, "max_memory must be a whole number"),
        ({"guarded": "yes"}, "guarded must be true or false"),
    ],
)
def test_wrong_arguments(toy_dir: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        toy(toy_dir, **options)


def test_classes_without_a_directory(in_thread: AutoModel) -> None:
    """FunASR makes them of ``model_conf`` and asks no hub."""
    with AutoModel("GuardedToy", model_conf={}, device="cpu", disable_pbar=True) as model:
        assert model.generate(CLIP)[0]["text"] == in_thread.generate(CLIP)[0]["text"]
    with pytest.raises(UnsupportedModelError, match="'WhisperWarp' is not supported yet"):
        AutoModel("tiny", hub="openai", guarded=False)


def test_model_conf_of_what_a_hub_has(model_dir: Path, tmp_path: Path) -> None:
    """There, it replaces keys of config.yaml, and the model runs natively."""
    with (
        made_up_hub(tmp_path, lambda _name: model_dir),
        AutoModel("paraformer-zh", model_conf={"lsm_weight": 0.2}, device="cpu") as other,
    ):
        assert "guarded" not in other.stats()


@pytest.mark.parametrize("role", ["vad_model", "punc_model", "spk_model", "online_model"])
def test_models_beside_others_are_never_guarded(toy_dir: Path, role: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"{role}=.* only the model itself can be run"):
        toy(toy_dir, **{role: str(toy_dir)})


def test_options_of_the_constructor_are_defaults(make: Make) -> None:
    model = make(beam_size=4)
    assert "beam=4" in model.generate(CLIP)[0]["text"]
    assert "beam=2" in model.generate(CLIP, beam_size=2)[0]["text"]
    assert "beam=4" in model.generate(CLIP)[0]["text"]


def test_a_call_replaces_nothing_of_the_model(make: Make) -> None:
    model = make()
    with pytest.warns(UserWarning, match="unknown option 'vocab_size'|belongs to AutoModel"):
        model.generate(CLIP, vocab_size=3)
    with pytest.warns(UserWarning, match="'workers' belongs to AutoModel"):
        model.generate(CLIP, workers=3)


@pytest.mark.slow
def test_in_the_place_of_funasr(toy_dir: Path, run_python: Any) -> None:
    """Where ``import funasr`` gives safeasr, FunASR's own AutoModel is still found."""
    done = run_python(
        """
import sys
import safeasr
safeasr.install_as_funasr()
from funasr import AutoModel
assert AutoModel is safeasr.AutoModel
import numpy as np
path, toys = sys.argv[1:]
model = AutoModel(model=path, trust_remote_code=True, remote_code=toys, device="cpu")
assert isinstance(model, safeasr.AutoModel)
print(model.generate(np.ones(3, np.float32), disable_pbar=True)[0]["text"])
""",
        toy_dir,
        TOYS,
    )
    assert done.stdout.splitlines()[-1].startswith("3 3.000"), done.stderr
