"""The comparison with other run-times: what it runs and writes, not how fast anything is."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import safeasr
from support.paths import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package

pytest.importorskip("psutil")
pytest.importorskip("rich")

from benchmarks.peers.exported import metadata, read_cmvn
from benchmarks.peers.serving import Pool
from benchmarks.peers.setups import PRECISIONS, Setup, groups
from benchmarks.peers.summary import (
    add_roof,
    equal_share,
    plain,
    roof_of,
    row,
)

from safeasr.bench.audio.noise import noise_clips
from safeasr.bench.local import measure_calls
from support.benchmarks import run_benchmark

DEMO = Path(safeasr.__file__).parent / "models" / "demo"
#: Libraries beside safeasr and FunASR, and the packages that they need.
ONNX = {
    "funasr_onnx": ("funasr_onnx", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx", "kaldi_native_fbank"),
    "sherpa_onnx": ("sherpa_onnx", "onnx", "onnxruntime"),
}


def run_quick(out: Path, *only: str) -> dict[str, Any]:
    run_benchmark(
        *"benchmarks.peers --quick --utterances 3 --no-tune --no-alone --no-roof".split(),
        *("--no-profile", "--results", str(out), "--exports", str(out / "exports")),
        *("--only", *only),
    )
    result: dict[str, Any] = json.loads((out / "peers.json").read_text(encoding="utf-8"))
    # What is committed must not say where it was made.
    assert str(out) not in json.dumps({k: v for k, v in result.items() if k != "unavailable"})
    return result


def installed() -> list[str]:
    return [
        library
        for library, needs in ONNX.items()
        if all(importlib.util.find_spec(name) for name in needs)
    ]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """safeasr, FunASR behind a lock, and what else is installed, on the demo model."""
    pytest.importorskip("funasr", reason="FunASR is what is compared with")
    return run_quick(tmp_path_factory.mktemp("peers"), "safeasr", "FunASR, lock", *installed())


@pytest.mark.slow
def test_safeasr_and_funasr_say_the_same(measured: dict[str, Any]) -> None:
    rows = {one["system"]: one for one in measured["systems"]}
    assert {"safeasr", "FunASR, lock"} <= set(rows)
    for one in rows.values():
        assert one["callers"] == 16
        # Three utterances, gone through until each of 16 callers had one.
        assert one["calls"] == 18
        assert one["errors"] == {}
        assert one["peak_mb"] >= one["serving_mb"] > 0
        assert one["cpu_s_per_audio_hour"] > 0
    assert rows["safeasr"]["equal_texts"] == rows["FunASR, lock"]["equal_texts"] == 1.0
    # A precision that is not there is named, and not measured under a wrong name.
    assert {one["precision"] for one in rows.values()} | set(PRECISIONS) == set(PRECISIONS)
    for name, reason in measured["unavailable"].items():
        assert name not in rows
        assert reason


@pytest.mark.slow
def test_measured_rows_make_tables_and_a_figure(measured: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks.report.page import write_page
    from benchmarks.report.plots import plot_all

    rates = [
        {"precision": p, "rows": 744, "one_core": 100.0 * (i + 1), "all_cores": 200.0 * (i + 1)}
        for i, p in enumerate(PRECISIONS)
    ]
    operations = {"gflop": 10.0, "parameters": 4_000_000}
    result = {**measured, "operations": operations, "rates": rates}
    result["roof"] = roof_of(rates, 10.0, result["audio_s"])
    result["grid"] = [{**one, "callers": n} for n in (1, 64) for one in result["systems"]]
    result["alone"] = [{**one, "chosen": True} for one in result["systems"]]
    result["tuning"] = [{**one, "chosen": False} for one in result["systems"]]
    result["profile"] = {"safeasr": {"matrix products": 0.8, "rest": 0.2}}
    add_roof([*result["systems"], *result["grid"]], result["roof"])
    (tmp_path / "peers.json").write_text(json.dumps(result), encoding="utf-8")

    images = tmp_path / "images"
    assert images / "peers.png" in plot_all(tmp_path, images)
    assert (images / "peers.png").stat().st_size > 10_000
    page = tmp_path / "performance.md"
    write_page(tmp_path, page, images)
    text = page.read_text(encoding="utf-8")
    assert "## Beside other run-times" in text
    assert "| safeasr | as it is |" in text
    assert "| 1 caller | 16 callers | 64 callers |" in text
    assert "images/peers.png" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("library", list(ONNX))
def test_other_run_times_say_what_funasr_says(measured: dict[str, Any], library: str) -> None:
    if library not in installed():
        pytest.skip(f"{' and '.join(ONNX[library])} are not installed (extra `peers`)")
    rows = [one for one in measured["systems"] if one["library"] == library]
    assert {one["precision"] for one in rows} == {"float32", "int8"}
    for one in rows:
        assert one["calls"] == 18, measured["unavailable"]
        # The demo model is a trained one: another precision changes no word of these recordings.
        assert one["equal_texts"] == 1.0


def test_a_pool_answers_all_and_batches_what_is_alike() -> None:
    seen: list[list[int]] = []
    lock = threading.Lock()

    def transcribe(audio: Any) -> list[str]:
        with lock:
            seen.append([len(one) for one in audio])
        return [str(len(one)) for one in audio]

    items = noise_clips(12, 0.1, 0.4)
    pool = Pool(transcribe, slots=1, batch=4, callers=12)
    load = measure_calls(pool, items, 12, passes=1)
    pool.close()
    assert load.texts == {item.name: {str(len(item.samples))} for item in items}
    assert max(map(len, seen)) == 4
    assert pool.requests == 12
    assert pool.batches == len(seen)


def test_a_pool_hands_on_errors_and_goes_on() -> None:
    def transcribe(audio: Any) -> list[str]:
        if len(audio[0]) == 1:
            raise ValueError("too short")
        return ["well"] * len(audio)

    pool = Pool(transcribe, slots=2, batch=1, callers=1)
    with pytest.raises(ValueError, match="too short"):
        pool([0.0])
    assert pool([0.0, 0.0]) == "well"
    pool.close()


def test_every_candidate_belongs_to_its_line() -> None:
    for cores in (1, 2, 8):
        lines = groups(cores)
        names = [one.name for one in lines]
        assert len(set(names)) == len(names)
        for line in lines:
            for setup in (*line.candidates, *line.alone):
                assert (setup.library, setup.precision) == (line.library, line.precision)
                assert setup.describe()


def test_figures_of_a_row() -> None:
    line = groups(2)[0]
    loads = [
        {
            "callers": 16, "wall_s": wall, "cpu_s": 2 * wall, "other_cpu": 0.1, "audio_s": 100.0,
            "latencies_s": [0.1, 0.2, 0.3], "errors": {}, "texts": {"a": ["<|zh|>A b"], "b": ["c"]},
            "mean_batch": 4.0, "serving_mb": 90.0, "peak_mb": 100.0,
        }
        for wall in (10.0, 5.0, 4.0)
    ]  # fmt: skip
    one = row(line, Setup("safeasr"), loads, {"a": {"ab"}, "b": {"d"}}, cores=2)
    assert (one["rtfx"], one["rtfx_lowest"], one["rtfx_highest"]) == (20.0, 10.0, 25.0)
    assert one["p50_ms"] == 200.0
    assert one["equal_texts"] == 0.5
    assert one["cores_busy"] == 1.0
    roof = roof_of(
        [{"precision": "float32", "rows": 93, "one_core": 50.0, "all_cores": 100.0}], 250.0, 100.0
    )
    add_roof([one], roof)
    assert roof["float32"]["all_cores_rtfx"] == 40.0
    assert (one["share_of_roof"], one["other_work"], one["idle"]) == (0.5, 0.5, 0.0)


def test_texts_are_compared_without_tags_spaces_and_case() -> None:
    assert plain("<|zh|><|NEUTRAL|> Hello 你 好") == "hello你好"
    assert equal_share({"a": {"x"}}, {}) is None
    assert equal_share({"a": {"x", "y"}}, {"a": {"x"}}) == 0.0


def test_metadata_for_sherpa_onnx() -> None:
    facts = metadata("paraformer", DEMO)
    shift, scale = read_cmvn(DEMO / "am.mvn")
    assert len(shift) == len(scale) == len(facts["neg_mean"].split(",")) == 560
    assert facts["lfr_window_size"] == "7"
    assert facts["model_type"] == "paraformer"
    assert int(facts["vocab_size"]) == len(json.loads((DEMO / "tokens.json").read_text()))
