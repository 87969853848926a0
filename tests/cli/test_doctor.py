"""``safeasr doctor``: what it says of models that run, and of those that do not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import safeasr
from safeasr.cli.app import run
from safeasr.cli.doctor.classes import short_names
from safeasr.errors import InferenceError, OptionError
from safeasr.families import model_classes
from safeasr.loading.export import export_bundle
from safeasr.loading.hub import aliases
from support.paths import ROOT
from support.silero import write_silero_dir

MODELS = Path(safeasr.__file__).parent / "models"
#: What the tables in the docs were made with.
FUNASR = "1.4.16"


@pytest.fixture(autouse=True)
def nothing_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing was downloaded by anybody before, and nothing may be."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "MODELSCOPE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "hubs"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(
        "safeasr.loading.hub._download", lambda *_: pytest.fail("the hub was asked")
    )


def doctor(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Its exit status, and what it finds; printed for people it says the same."""
    status = run(["doctor", *words, "--no-run"])
    shown = capsys.readouterr().out
    assert run(["doctor", *words, "--no-run", "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["well"] == (status == 0)
    for said in [*found["notes"], *found["problems"], found["model"]]:
        assert " ".join(said.split()) in shown
    return status, found


def test_a_model_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "demo", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == "native"
    assert (found["model_class"], found["task"]) == ("Paraformer", "asr")
    assert found["directory"] == str(MODELS / "demo")
    assert set(found["precisions"]) == {"float32", "bfloat16", "int8", "float16"}
    assert found["precisions"]["float32"] is True
    speed = found["speed"]
    assert (speed["unit"], speed["amount"]) == ("seconds of audio", 10)
    assert speed["calls"] >= 1
    assert speed["in_a_second"] == pytest.approx(10 / speed["median_s"])
    assert not found["problems"] and not found["notes"]


@pytest.mark.parametrize("name", ["demo-punc", "demo-vad", "demo-spk", "demo-streaming"])
def test_every_task_is_measured(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", name]) == 0
    shown = capsys.readouterr().out
    unit = "characters" if name == "demo-punc" else "seconds of audio"
    assert f"{unit} in a second from one caller" in shown
    assert "natively" in shown
    assert "problem" not in shown


def test_an_aligner_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("funasr", reason="funasr makes the model")
    from support.aligner import write_aligner

    assert run(["doctor", str(write_aligner(tmp_path / "model"))]) == 0
    shown = capsys.readouterr().out
    assert "forced alignment" in shown
    assert "seconds of audio in a second" in shown


def test_bundles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = export_bundle(MODELS / "demo", tmp_path / "bundle", precision="bfloat16").path
    status, found = doctor(capsys, str(bundle))
    assert status == 0
    assert list(found["precisions"]) == ["bfloat16"]
    assert found["notes"] == ["it is a bundle, in bfloat16"]
    with (bundle / "encoder.ts").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0" * 64)
    status, found = doctor(capsys, str(bundle))
    assert (status, found["runs"], found["model_class"]) == (1, "not", "Paraformer")
    assert "encoder.ts" in found["problems"][0]


def test_what_is_wrong_with_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def copied(name: str) -> Path:
        return Path(shutil.copytree(MODELS / "demo", tmp_path / name))

    cut, gone, odd, other = (copied(name) for name in ("cut", "gone", "odd", "other"))
    (cut / "model.pt").write_bytes((cut / "model.pt").read_bytes()[:5000])
    (gone / "am.mvn").unlink()
    config = yaml.safe_load((odd / "config.yaml").read_text())
    config["encoder_conf"]["selfattention_layer_type"] = "selfattn"
    (odd / "config.yaml").write_text(yaml.safe_dump(config))
    for directory, said in ((cut, "cut short"), (gone, "am.mvn"), (odd, "selfattn")):
        status, found = doctor(capsys, str(directory))
        assert (status, found["runs"]) == (1, "not")
        assert found["model_class"] == "Paraformer", "what is known is told all the same"
        assert said in found["problems"][0]
        assert ("guarded=True" in "".join(found["notes"])) == (directory == odd)
    (other / "config.yaml").unlink()
    for name, said in ((str(other), "no config.yaml"), ("./nowhere", "no directory")):
        status, found = doctor(capsys, name)
        assert (status, found["model_class"]) == (1, None)
        assert said in found["problems"][0]


def test_a_name_whose_model_is_not_here(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("funasr", reason="the names are funasr's")
    status, found = doctor(capsys, "fa-zh")
    assert (status, found["runs"], found["model_class"]) == (0, "native", "MonotonicAligner")
    assert found["directory"] is None
    assert "'iic/speech_timestamp_prediction-v1-16k-offline' from ModelScope" in found["notes"][0]
    for hub in ("hf", "huggingface"):
        status, found = doctor(capsys, "fa-zh", "--hub", hub)
        assert "'funasr/fa-zh' from Hugging Face" in found["notes"][0]
    status, found = doctor(capsys, "somebody/something")
    assert (status, found["runs"], found["model_class"]) == (1, None, None)
    status, found = doctor(capsys, "paraformer-zn")
    assert status == 1
    assert "did you mean 'paraformer-zh'" in found["problems"][0]
    status, found = doctor(capsys, "fa-zh", "--hub", "nowhere")
    assert "hub='nowhere' is not supported" in found["problems"][0]


def test_a_model_whose_weights_a_package_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = doctor(capsys, "silero-vad")
    if importlib.util.find_spec("silero_vad") is None:
        assert (status, found["runs"]) == (1, "not")
        assert "pip install 'safeasr[silero]'" in found["problems"][0]
    monkeypatch.setattr(
        "safeasr.loading.find._of_package", lambda *_, **__: write_silero_dir(tmp_path)
    )
    assert run(["doctor", "silero-vad", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"], found["model_class"], found["task"]) == ("native", "SileroVad", "vad")
    with safeasr.AutoModel("silero-vad", disable_pbar=True) as model:
        assert "guarded" not in model.stats(), "FunASR's name of it stands for the same"


def test_guarded_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("funasr", reason="funasr runs them")
    (tmp_path / "config.yaml").write_text("model: UniASR\nmodel_conf: {}\n")
    status, found = doctor(capsys, str(tmp_path))
    assert (status, found["runs"], found["model_class"]) == (0, "guarded", "UniASR")
    status, found = doctor(capsys, "Qwen/Qwen3-ASR-0.6B")
    assert (status, found["runs"]) == (0, "guarded")
    assert "it was not tried" in found["notes"][0]
    for nobodys in ("NobodysModel", "FsmnKWSConvert"):
        other = tmp_path / nobodys
        other.mkdir()
        (other / "config.yaml").write_text(f"model: {nobodys}\n")
        status, found = doctor(capsys, str(other))
        assert (status, found["runs"], found["model_class"]) == (1, "not", nobodys)
        assert "neither safeasr nor FunASR" in found["problems"][0]
    # It cannot be made of that, as only loading it shows.
    assert run(["doctor", str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"], found["model_class"]) == ("not", "UniASR")
    assert "FunASR cannot load" in found["problems"][0]
    monkeypatch.setitem(sys.modules, "funasr", None)
    for name in (str(tmp_path), "Qwen/Qwen3-ASR-0.6B"):
        status, found = doctor(capsys, name)
        assert status == 1
        assert "pip install 'safeasr[funasr]'" in found["problems"][0]


@pytest.mark.parametrize(
    ("error", "status", "place"),
    [(InferenceError("NaN"), 1, "problems"), (OptionError("keywords are missing"), 0, "notes")],
)
def test_calls_that_fail(
    error: Exception,
    status: int,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(safeasr.AutoModel, "generate", fail)
    assert run(["doctor", "demo-vad", "--json"]) == status
    found = json.loads(capsys.readouterr().out)
    assert str(error) in found[place][0]
    assert found["speed"] is None


@pytest.mark.parametrize("words", [[], ["demo", "--classes"], ["--classes", "--names"]])
def test_what_is_asked_must_be_clear(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", *words]) == 2
    assert "give a model, or --classes, or --names" in capsys.readouterr().err


# -- Classes and names ----------------------------------------------------------------------------


def need_funasr() -> None:
    pytest.importorskip("funasr", reason="the classes are funasr's")
    if importlib.metadata.version("funasr") != FUNASR:
        pytest.skip(f"the docs show those of FunASR {FUNASR}")


def test_classes(capsys: pytest.CaptureFixture[str]) -> None:
    need_funasr()
    from funasr.register import tables

    assert run(["doctor", "--classes"]) == 0
    shown = capsys.readouterr().out
    assert run(["doctor", "--classes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(found["classes"]) == sorted(tables.model_classes)
    for name, how in found["classes"].items():
        assert (how == "native") == (name in model_classes())
        assert f"{name} " in shown
    assert found["classes"]["FsmnKWSConvert"] == "not", "a converter of checkpoints"
    # Every native class is one of FunASR's.
    assert set(model_classes()) <= set(found["classes"])


@pytest.mark.slow
def test_the_readme_shows_how_many_run(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    need_funasr()
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    # In a process of its own: other tests register classes.
    script = """
from safeasr.cli.doctor.classes import registered_classes
print(registered_classes().in_words())
"""
    done = run_python(script)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[-1]
    assert said in text, f"README.md should say: {said}"


def test_the_page_shows_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    need_funasr()
    assert run(["doctor", "--names"]) == 0
    table = capsys.readouterr().out
    page = (ROOT / "docs" / "migrating-from-funasr.md").read_text("utf-8")
    shown = page.partition("<!-- names: begin -->\n")[2].partition("<!-- names: end -->")[0]
    assert shown == table, f"docs/migrating-from-funasr.md should show:\n{table}"
    names = {one.name: one for one in short_names()}
    for hub in ("ms", "hf", "openai"):
        for name, full in aliases(hub).items():
            if "/" not in name:
                assert names[name].on[hub] == full
    assert all(one.model_class for one in names.values())
    assert run(["doctor", "--names", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(names)


def test_without_funasr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "funasr", None)  # who imports it gets an ImportError
    for words in (["--classes"], ["--names"]):
        assert run(["doctor", *words]) == 1
        assert "pip install 'safeasr[funasr]'" in capsys.readouterr().err
