"""benchmarks.cuda: that its steps run and its instruments count right, not how fast anything is."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AutoModel
from safeasr.bench.audio.noise import speech_like
from support.paths import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package

from benchmarks.cuda import __main__ as driver
from benchmarks.cuda.equality import agreement, compare
from benchmarks.cuda.padded import PaddedParaformer
from benchmarks.cuda.profile import floors_of, kernels_of, table_of
from benchmarks.cuda.report import failures, page
from benchmarks.cuda.sanitizer import summary
from benchmarks.cuda.seeded import KINDS, model_dir
from benchmarks.cuda.step import STEPS
from benchmarks.cuda.usage import means

from support.benchmarks import run_benchmark
from support.processes import child_environment, run_to_end


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """The cheapest steps on the CPU: findings, the table, and where they were written."""
    out = tmp_path_factory.mktemp("cuda")
    said = run_benchmark(
        *"benchmarks.cuda --device cpu --quick --minutes 10".split(),
        *"--only machine throughput memory soak profile".split(),
        timeout=700,
        OUT=str(out),
    )
    return json.loads((out / "cuda.json").read_text(encoding="utf-8")), said, out


@pytest.mark.slow
def test_every_step_ends_and_is_in_the_one_table(quick: Any) -> None:
    found, said, out = quick
    assert list(found["steps"]) == ["machine", "throughput", "memory", "soak", "profile"]
    assert {one["status"] for one in found["steps"].values()} == {"done"}
    assert found["steps"]["memory"]["not_here"]
    lines = said.strip().splitlines()
    assert lines[0] == "| step | what | found | beside |"
    assert all(line.startswith("|") and line.count("|") == 5 for line in lines)
    assert (out / "cuda.md").read_text(encoding="utf-8").strip() == said.strip()
    assert {path.name for path in out.iterdir()} == {"cuda.json", "cuda.md", "steps.log"}


@pytest.mark.slow
def test_loads_are_counted(quick: Any) -> None:
    steps = quick[0]["steps"]
    assert steps["machine"]["bandwidth"] > 0
    for row in steps["throughput"]["loads"]:
        assert row["utterances"] > 0
        assert row["errors"] == {}
        assert row["mean_batch"] >= 1
        assert 0 < row["workers_busy"] <= 1.05
    assert all(held for _, held, _ in steps["soak"]["checks"])
    assert steps["soak"]["ended"]["bad audio"].keys() == {"AudioError"}
    assert steps["profile"]["one worker"]["flop"] > 0


def order(folder: Path, device: str) -> argparse.Namespace:
    return argparse.Namespace(device=device, quick=True, folder=folder)


def test_a_step_that_fails_is_told_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", child_environment()["PYTHONPATH"])
    found = driver.run_step(STEPS[0], order(tmp_path, "cuda:99"), 300.0)
    assert found["status"] == "failed"
    assert "cuda" in found["reason"].lower()
    # What it had found before is kept.
    assert [what for what, _, _ in found["rows"]][:2] == ["host", "torch"]
    assert "DOES NOT" not in page({"machine": found})
    assert "FAILED" in page({"machine": found})
    assert failures({"machine": found}) == ["machine"]


def test_a_step_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", child_environment()["PYTHONPATH"])
    monkeypatch.setattr(driver, "GRACE_S", 0.0)
    found = driver.run_step(STEPS[0], order(tmp_path, "cpu"), 0.01)
    assert found["status"] == "timed out"
    assert failures({"machine": found}) == ["machine"]


def test_a_check_that_does_not_hold_fails_the_whole() -> None:
    step = {
        "status": "done",
        "rows": [["a", "**DOES NOT HOLD**", "x|y"]],
        "checks": [["a", False, "x|y"]],
    }
    assert failures({"one": step}) == ["one: a"]
    assert page({"one": step}).splitlines()[2].count("|") == 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_models_are_made_without_funasr(kind: str) -> None:
    script = (
        "import sys; sys.modules['funasr'] = None\n"
        "from benchmarks.cuda.seeded import model_dir\n"
        f"print(model_dir({kind!r}, True))"
    )
    done = run_to_end(
        [sys.executable, "-c", script], timeout=120, cwd=ROOT, env=child_environment()
    )
    assert done.returncode == 0, done.stderr[-2000:]
    directory = Path(done.stdout.strip())
    assert directory == model_dir(kind, small=True)
    waves = [speech_like(6.0, seed=seed) for seed in range(2)]
    options = {"is_final": True} if "streaming" in kind else {}
    with AutoModel(str(directory), device="cpu", num_workers=1, disable_pbar=True) as model:
        texts = [model.generate(wave, **options)[0]["text"] for wave in waves]
    # About four tokens a second, and not the same ones whatever was said.
    assert texts[0] != texts[1]
    assert all(5 <= len(text) <= 80 for text in texts)


def test_the_padded_network_is_the_same_network() -> None:
    from safeasr.text.sentence import ids_to_tokens, sentence_postprocess

    directory = model_dir("paraformer", small=True)
    waves = [speech_like(seconds, seed=i) for i, seconds in enumerate((2.0, 5.0, 3.3))]
    with AutoModel(str(directory), device="cpu", num_workers=1, disable_pbar=True) as model:
        tokens = json.loads((directory / "tokens.json").read_text(encoding="utf-8"))
        exact = [str(model.generate(wave)[0]["text"]) for wave in waves]
    padded = PaddedParaformer(True, torch.float32, "cpu")

    def texts(ids: list[list[int]]) -> list[str]:
        named = [ids_to_tokens(one, tokens, frozenset({0, 1, 2})) for one in ids]
        return [sentence_postprocess(one).text for one in named]

    alone = texts([padded.transcribe([wave])[0] for wave in waves])
    assert np.mean([agreement(a, b) for a, b in zip(alone, exact, strict=True)]) > 0.98
    together = texts(padded.transcribe(waves))
    assert np.mean([agreement(a, b) for a, b in zip(together, exact, strict=True)]) > 0.98


def test_shares_of_equal_answers() -> None:
    assert agreement("abcd", "abcd") == 1.0
    assert agreement("abcd", "abxd") == 0.75
    row = compare({"a": {"xy"}, "b": {"z", "q"}}, {"a": {"xy"}, "b": {"z"}})
    assert row["equal_texts"] == pytest.approx(2 / 3)
    assert row["steady"] == 0.5


def test_kernels_of_a_trace() -> None:
    events = [
        {"cat": "kernel", "name": "gemm", "ts": 0.0, "dur": 10.0},
        {"cat": "kernel", "name": "gemm", "ts": 5.0, "dur": 10.0},
        {"cat": "gpu_memcpy", "name": "copy", "ts": 30.0, "dur": 10.0},
        {"cat": "cpu_op", "name": "aten::linear", "ts": 0.0, "dur": 99.0},
        {"name": "no category"},
    ]
    spent, count, busy, whole = kernels_of(events)
    assert spent == {"gemm": 20.0, "copy": 10.0}
    assert count == {"gemm": 2, "copy": 1}
    assert (busy, whole) == (25 / 40, 40.0)
    assert table_of(spent, count).splitlines()[1].split() == ["0.02", "66.7%", "2", "10.0", "gemm"]
    assert kernels_of([])[2:] == (0.0, 0.0)


def test_floors_grow_with_the_rows() -> None:
    few, many = floors_of(True, 100, 50, 4), floors_of(True, 200, 50, 4)
    # Products double with the rows; the weights are read once for all of them.
    assert many[0] == pytest.approx(2 * few[0])
    assert few[1] < many[1] < 2 * few[1]
    assert floors_of(True, 100, 50, 2)[1] == few[1] / 2


def test_samples_of_nvidia_smi() -> None:
    lines = [
        "50, 10, 1000, 300.5, 4000",
        "cut o",
        "100, 30, 2000, 500.5, 4000",
        "[N/A], 1, 1, 1, 1",
    ]
    found, samples = means(lines)
    assert samples == 2
    assert found == {"busy_percent": 75.0, "memory_busy_percent": 20.0, "sm_mhz": 1500.0,
                     "watts": 400.5, "used_mib": 4000.0}  # fmt: skip
    assert means([]) == ({}, 0)


def test_summaries_of_compute_sanitizer() -> None:
    assert summary("========= ERROR SUMMARY: 0 errors") == 0
    assert summary("...\n========= RACECHECK SUMMARY: 3 hazards displayed (3 errors)") == 3
    assert summary("Error: No supported GPUs") is None
