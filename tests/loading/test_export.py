"""From FunASR model directories to the cache: what is refused, and that processes may race."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from safeasr import AutoModel, ExportError, UnsupportedModelError
from safeasr.loading.export import open_bundle
from support.audio import speech

CLIP = speech(2.0)


@pytest.fixture
def directory(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the model directory that a test may change."""
    out = tmp_path / "model"
    shutil.copytree(model_dir, out)
    return out


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for one test."""
    path = tmp_path / "cache"
    monkeypatch.setenv("SAFEASR_CACHE", str(path))
    return path


def configure(directory: Path, section: str | None, **values: Any) -> None:
    file = directory / "config.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    (config if section is None else config[section]).update(values)
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


def write(name: str, content: bytes) -> Callable[[Path], Any]:
    return lambda d: (d / name).write_bytes(content)


REFUSED: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "class": (lambda d: configure(d, None, model="Whisper"), UnsupportedModelError,
              "'Whisper' is not supported yet.*Paraformer"),
    "encoder": (lambda d: configure(d, None, encoder="ConformerEncoder"), UnsupportedModelError,
                "encoder='ConformerEncoder'"),
    "decoder": (lambda d: configure(d, None, decoder="ContextualParaformerDecoder"),
                UnsupportedModelError, "decoder='ContextualParaformerDecoder'"),
    "predictor": (lambda d: configure(d, None, predictor="CifPredictorV3"), UnsupportedModelError,
                  "predictor='CifPredictorV3'"),
    "frontend": (lambda d: configure(d, None, frontend="WhisperFrontend"), UnsupportedModelError,
                 "frontend='WhisperFrontend'"),
    "attention": (lambda d: configure(d, "encoder_conf", selfattention_layer_type="rel"),
                  UnsupportedModelError, "selfattention_layer_type='rel'"),
    "threshold": (lambda d: configure(d, "predictor_conf", threshold=0.9), UnsupportedModelError,
                  "threshold=0.9"),
    "no config": (lambda d: (d / "config.yaml").unlink(), ExportError,
                  "not a FunASR model directory"),
    "broken config": (write("config.yaml", b"a: [b"), ExportError, "not valid YAML"),
    "config without class": (write("config.yaml", b"a: 1"), ExportError, "model class"),
    "broken configuration": (write("configuration.json", b"{"), ExportError, "not valid JSON"),
    "no checkpoint": (lambda d: (d / "model.pt").unlink(), ExportError, "model.pt is missing"),
    "no tokens": (lambda d: (d / "tokens.json").unlink(), ExportError, "tokens.json"),
    "broken tokens": (write("tokens.json", b"[1, 2]"), ExportError, "list of strings"),
    "broken CMVN": (write("am.mvn", b"<Nnet> </Nnet>"), ExportError, "CMVN"),
    "garbage checkpoint": (write("model.pt", b"garbage" * 99), ExportError, "cannot read"),
    "empty checkpoint": (write("model.pt", b""), ExportError, "cannot read"),
    "more tokens": (write("tokens.json", json.dumps(["x"] * 999).encode()), ExportError,
                    "does not fit|size mismatch"),
    "other size": (lambda d: configure(d, "encoder_conf", linear_units=32), ExportError,
                   "does not fit config.yaml"),
    "more layers": (lambda d: configure(d, "encoder_conf", num_blocks=5), ExportError,
                    r"lacks \d+ parameters, first 'encoder\."),
    "no encoder conf": (lambda d: configure(d, None, encoder_conf=None),
                        (ExportError, UnsupportedModelError), "encoder_conf"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_named(directory: Path, cache: Path, name: str) -> None:
    damage, kind, message = REFUSED[name]
    damage(directory)
    with pytest.raises(kind, match=message):
        AutoModel(model=str(directory)).close()
    assert not list(cache.glob("bundles/*.draft-*")), "a failed export left something behind"


def test_what_is_no_model(tmp_path: Path) -> None:
    file = tmp_path / "file.pt"
    file.write_bytes(b"x")
    with pytest.raises(ExportError, match="not a FunASR model directory"):
        AutoModel(model=str(tmp_path))
    with pytest.raises(ExportError, match="is a file"):
        AutoModel(model=str(file))


class Malicious:
    """What runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_not_run(directory: Path, tmp_path: Path, zipped: bool) -> None:
    marker = tmp_path / "the code ran"
    state = torch.load(directory / "model.pt", weights_only=True)
    if zipped:
        torch.save({"state_dict": state, "extra": Malicious(marker)}, directory / "model.pt")
    else:
        (directory / "model.pt").write_bytes(pickle.dumps({"extra": Malicious(marker)}))
    with pytest.raises(ExportError, match="trust_remote_code=True"):
        AutoModel(model=str(directory))
    assert not marker.exists()
    if zipped:
        with AutoModel(model=str(directory), trust_remote_code=True, disable_pbar=True) as model:
            assert model.generate(CLIP)[0]["text"]
        assert marker.exists(), "the test's own code does not work"


FORMS: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "model_state_dict": lambda s: {"model_state_dict": s},
    "model": lambda s: {"model": s, "optimizer": {"lr": 0.1}},
    "module.": lambda s: {f"module.{k}": v for k, v in s.items()},
    "wrapped module.": lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}},
    "of training": lambda s: {**s, "ctc.ctc_lo.weight": torch.ones(3), "step": 5},
    "double": lambda s: {k: v.double() if v.is_floating_point() else v for k, v in s.items()},
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_checkpoints(
    directory: Path, make_model: Callable[..., AutoModel], model: AutoModel, name: str
) -> None:
    state = torch.load(directory / "model.pt", weights_only=True)
    torch.save(FORMS[name](state), directory / "model.pt")
    assert make_model(directory).generate(CLIP, key="k") == model.generate(CLIP, key="k")


def test_old_format_of_checkpoints(
    directory: Path, make_model: Callable[..., AutoModel], model: AutoModel
) -> None:
    state = torch.load(directory / "model.pt", weights_only=True)
    torch.save(state, directory / "model.pt", _use_new_zipfile_serialization=False)
    assert make_model(directory).generate(CLIP, key="k") == model.generate(CLIP, key="k")


def test_half_precision_checkpoints(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """FunASR copies half-precision weights into its float32 network; so must we."""
    from support.oracle import Oracle

    state = torch.load(directory / "model.pt", weights_only=True)
    torch.save({k: v.half() for k, v in state.items()}, directory / "model.pt")
    answer = Oracle(directory)(CLIP)
    assert answer.clear
    assert make_model(directory).generate(CLIP)[0]["text"] == answer.text


def test_overrides_have_their_own_place_in_the_cache(
    directory: Path, cache: Path, make_model: Callable[..., AutoModel]
) -> None:
    plain = make_model(directory).generate(CLIP, key="k")
    changed = make_model(directory, predictor_conf={"smooth_factor": 0.5}).generate(CLIP, key="k")
    assert changed != plain
    assert len(list(cache.glob("bundles/*/bundle.json"))) == 2
    assert make_model(directory).generate(CLIP, key="k") == plain
    assert len(list(cache.glob("bundles/*/bundle.json"))) == 2


def test_a_changed_checkpoint_is_exported_again(
    directory: Path, cache: Path, make_model: Callable[..., AutoModel]
) -> None:
    plain = make_model(directory).generate(CLIP, key="k")
    state = torch.load(directory / "model.pt", weights_only=True)
    torch.save({k: -v for k, v in state.items()}, directory / "model.pt")
    assert make_model(directory).generate(CLIP, key="k") != plain
    assert len(list(cache.glob("bundles/*/bundle.json"))) == 2


def test_init_param(
    directory: Path, make_model: Callable[..., AutoModel], model: AutoModel
) -> None:
    other = directory / "other.pt"
    (directory / "model.pt").rename(other)
    got = make_model(directory, init_param=str(other)).generate(CLIP, key="k")
    assert got == model.generate(CLIP, key="k")


def test_an_unusable_cache(directory: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """A file stands where the cache should be; root may write anywhere, so no permissions here."""
    blocked = tmp_path / "blocked"
    blocked.write_text("in the way")
    monkeypatch.setenv("SAFEASR_CACHE", str(blocked / "cache"))
    with pytest.raises(ExportError, match="Set SAFEASR_CACHE"):
        AutoModel(model=str(directory))


OPEN = """
import sys
from pathlib import Path
import torch
import safeasr
torch.set_num_threads(1)
from safeasr.loading.export import open_bundle
print("ready", flush=True)
sys.stdin.readline()
print(open_bundle(Path(sys.argv[1])).path, flush=True)
"""


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.slow
def test_processes_that_export_at_once(
    directory: Path, cache: Path, count: int, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    processes = [start_python(OPEN, directory) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=120) for process in processes]
    assert [p.returncode for p in processes] == [0] * count, ends
    assert len({out for out, _ in ends}) == 1
    left = [p.name for p in (cache / "bundles").iterdir() if p.suffix != ".lock"]
    assert len(left) == 1
    open_bundle(directory).verify()


KILLED = """
import os, signal, sys
from pathlib import Path
import safeasr
from safeasr.families.paraformer import export
from safeasr.loading.export import open_bundle
save = export.save_program
def save_and_die(module, path):
    save(module, path)
    os.kill(os.getpid(), signal.SIGKILL)
export.save_program = save_and_die
open_bundle(Path(sys.argv[1]))
"""


def test_a_killed_exporter_leaves_nothing_to_trip_over(
    directory: Path, cache: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert run_python(KILLED, directory).returncode == -signal.SIGKILL
    assert list(cache.glob("bundles/*.draft-*")), "it was killed too early to show anything"
    begin = time.monotonic()
    open_bundle(directory).verify()
    assert time.monotonic() - begin < 60, "the dead process still held the lock"
    with AutoModel(model=str(directory), disable_pbar=True) as model:
        assert model.generate(CLIP)[0]["text"]
    assert not list(cache.glob("bundles/*.draft-*")), "half a bundle is left for ever"
