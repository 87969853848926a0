"""``safeasr export``, ``info`` and ``verify``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safeasr.bundles.bundle import Bundle, write_manifest
from safeasr.cli.app import run


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle in form; its program is not one."""
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "net.ts").write_bytes(b"not a program")
    return write_manifest(
        Bundle(
            path=path,
            family="paraformer",
            model_class="Paraformer",
            programs={"net": "net.ts"},
            frontend={"sample_rate": 16000},
            tokens=["a", "b"],
            decoding={},
            signatures={"net": {"inputs": ["x (B, T)"], "outputs": ["y (B)"]}},
            versions={"safeasr": "0"},
        )
    )


def test_info_shows_a_bundle(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(bundle.path)]) == 0
    shown = capsys.readouterr().out
    for part in ("Paraformer", "net.ts", bundle.files["net.ts"]["sha256"], "x (B, T)"):
        assert part in shown


def test_info_as_json(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(bundle.path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["family"] == "paraformer"
    assert facts["programs"]["net"]["bytes"] == len(b"not a program")


def test_verify_accepts_a_whole_bundle(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(bundle.path)]) == 0
    assert capsys.readouterr().out == "net.ts: OK\n"


def test_verify_finds_a_changed_byte(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle.path / "net.ts").write_bytes(b"Not a program")  # same size: only the digest tells
    assert run(["verify", str(bundle.path)]) == 1
    shown = capsys.readouterr()
    assert shown.out == "net.ts: DAMAGED\n"
    assert shown.err.startswith("error: ")


def test_verify_refuses_what_is_no_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", str(tmp_path)]) == 1
    assert "bundle.json" in capsys.readouterr().err


def test_a_finished_bundle_takes_no_settings(bundle: Bundle, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert run(["export", str(bundle.path), "-o", out, "-s", "predictor_conf.idim=3"]) == 2


@pytest.mark.parametrize("setting", ["no-equals-sign", "=1", "a.=1", "misspelt=1", "model=[1"])
def test_wrong_settings_are_refused(model_dir: Path, tmp_path: Path, setting: str) -> None:
    out = tmp_path / "out"
    assert run(["export", str(model_dir), "-o", str(out), "-s", setting]) == 2
    assert not out.exists()


def test_export_with_a_setting(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    setting = "predictor_conf.tail_threshold=0.125"
    assert run(["export", str(model_dir), "-o", str(out), "-s", setting]) == 0
    assert "paraformer" in capsys.readouterr().out
    manifest = json.loads((out / "bundle.json").read_text())
    assert manifest["decoding"]["tail_threshold"] == 0.125
    assert run(["verify", str(out)]) == 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_export_in_a_precision(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], precision: str
) -> None:
    out = tmp_path / "out"
    assert run(["export", str(model_dir), "-o", str(out), "--precision", precision]) == 0
    assert f"paraformer, {precision}, 2 programs" in capsys.readouterr().out
    assert run(["info", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["precision"] == precision
    assert run(["info", str(out)]) == 0
    assert precision in capsys.readouterr().out


def test_a_precision_that_is_none(model_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["export", str(model_dir), "-o", str(out), "--precision", "fp16"]) == 2
    assert not out.exists()


def test_a_precision_that_cannot_be_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(["export", "demo-vad", "-o", str(out), "--precision", "int8"]) == 1
    assert "float32 only" in capsys.readouterr().err
    assert not out.exists()


def test_a_missing_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert run(["info", str(tmp_path / "empty")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
