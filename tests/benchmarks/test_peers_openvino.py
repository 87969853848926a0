"""OpenVINO in the comparison with other run-times: set-ups and adapter, most of it without it."""

from __future__ import annotations

import importlib.util
import sys
import threading
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import safeasr
from support.paths import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package

pytest.importorskip("psutil")
pytest.importorskip("jiwer")

from benchmarks.peers import adapters_openvino, exported, exported_openvino
from benchmarks.peers.adapters import Files, UnavailableError, load
from benchmarks.peers.adapters_openvino import WAYS
from benchmarks.peers.setups import OPENVINO, PRECISIONS, Setup, groups
from benchmarks.peers.summary import character_errors

from support.benchmarks import run_benchmark

DEMO = Path(safeasr.__file__).parent / "models" / "demo"
SETUP = Setup("openvino", "float32", 1, 2)


class FakeRequest:
    def __init__(self, made: FakeCompiled) -> None:
        self._made = made
        self._busy = threading.Lock()

    def infer(self, given: Any, **_options: bool) -> list[Any]:
        assert self._busy.acquire(blocking=False), "two calls share a request"
        try:
            self._made.meeting.wait(20)
            if given[0] == "bad":
                raise RuntimeError("cannot infer")
            return [np.array(given), np.ones(len(given))]
        finally:
            self._busy.release()


class FakeCompiled:
    def __init__(self, model: Any, options: dict[str, Any]) -> None:
        self.model, self.options = model, options
        self.requests: list[FakeRequest] = []
        self.meeting = threading.Barrier(1)

    def create_infer_request(self) -> FakeRequest:
        self.requests.append(FakeRequest(self))
        return self.requests[-1]


class FakeOperation:
    def __init__(self, kind: str) -> None:
        self._kind = kind

    def get_type_name(self) -> str:
        return self._kind

    def output(self, number: int) -> tuple[FakeOperation, int]:
        return self, number


class FakeModel:
    def __init__(self, kinds: Sequence[str]) -> None:
        self._operations = [FakeOperation(kind) for kind in kinds]
        self.added: list[tuple[FakeOperation, int]] = []

    def get_ops(self) -> list[FakeOperation]:
        return self._operations

    def add_outputs(self, outputs: list[tuple[FakeOperation, int]]) -> None:
        self.added += outputs


class FakeCore:
    capabilities = ("FP32", "BF16", "INT8")
    kinds: Sequence[str] = ("MatMul", "CumSum", "If", "MatMul")

    def get_property(self, device: str, name: str) -> tuple[str, ...]:
        assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
        return self.capabilities

    def read_model(self, _path: str) -> FakeModel:
        return FakeModel(self.kinds)

    def compile_model(self, model: FakeModel, device: str, options: dict[str, Any]) -> FakeCompiled:
        assert device == "CPU"
        return FakeCompiled(model, options)


class FakeAround:
    def __init__(self, _files: Files) -> None:
        pass

    def inputs(self, audio: Sequence[Any]) -> list[Any]:
        return list(audio)

    def texts(self, scores: Any, counts: Any) -> list[str]:
        return [str(one) for one, _ in zip(scores, counts, strict=True)]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Two cores, an OpenVINO that says what it is asked for, and files for it to read."""
    module = types.ModuleType("openvino")
    module.Core = type("Core", (FakeCore,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "openvino", module)
    monkeypatch.setattr(adapters_openvino, "Exported", FakeAround)
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1})
    for name in ("model.onnx", *(way.file for way in WAYS.values() if way.file)):
        (tmp_path / name).touch()
    return Files("paraformer", DEMO, tmp_path)


def test_every_way_is_tried_and_every_setup_has_its_way() -> None:
    assert set(OPENVINO) == set(PRECISIONS)
    for cores in (1, 2, 8):
        lines = {one.precision: one for one in groups(cores) if one.library == "openvino"}
        assert set(lines) == set(PRECISIONS)
        assert {(s.precision, s.way) for one in lines.values() for s in one.tried} == set(WAYS)
        for line in lines.values():
            for setups in (line.candidates, line.alone):
                assert len(set(setups)) == len(setups)
            assert all(setup.slots and setup.threads <= cores for setup in line.tried)


def test_a_way_decides_what_is_loaded_and_is_in_the_tables() -> None:
    setup = Setup("openvino", "int8", 1, 2, way="weights")
    assert setup.loaded.way == "weights"
    assert setup.loaded != Setup("openvino", "int8", 1, 2, way="calibrated").loaded
    assert setup.describe() == "2 calls x 1 thread, batch 1, weights"
    assert Setup(**setup.as_dict()) == setup


def test_every_library_has_a_color() -> None:
    pytest.importorskip("matplotlib")
    from benchmarks.report.plot_peers import COLORS, STYLES

    assert {(one.library, one.precision) for one in groups(2)} <= {
        (library, precision) for library in COLORS for precision in STYLES
    }


def test_how_much_of_the_texts_another_precision_changes() -> None:
    reference = {"a": {"一二三四"}, "b": {"五六"}, "often": {"x", "y"}, "silent": {""}}
    assert character_errors(reference, reference) == 0.0
    ours = {
        "a": {"一二三", "一二三四"},
        "b": {"五七"},
        "often": {"z"},
        "silent": {"z"},
        "new": {"z"},
    }
    assert character_errors(ours, reference) == pytest.approx(2 / 10)
    assert character_errors(ours, {}) is None


def test_without_openvino_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UnavailableError, match=r"pip install '\.\[peers\]'"):
        load(Files("paraformer", DEMO, DEMO), SETUP)


def test_without_the_network_or_bfloat16_it_says_so(files: Files) -> None:
    (files.exported / WAYS["int8", "weights"].file).unlink()
    with pytest.raises(UnavailableError, match="nncf"):
        load(files, Setup("openvino", "int8", way="weights"))
    sys.modules["openvino"].Core.capabilities = ("FP32",)  # type: ignore[attr-defined]
    with pytest.raises(UnavailableError, match="bfloat16"):
        load(files, Setup("openvino", "bf16"))
    load(files, SETUP)


@pytest.mark.parametrize(("threads", "streams"), [(1, 2), (2, 1), (4, 1)])
def test_threads_and_streams_fill_the_cores(files: Files, threads: int, streams: int) -> None:
    adapter: Any = load(files, Setup("openvino", "float32", threads, 1))
    options = adapter._compiled.options
    assert (options["NUM_STREAMS"], options["INFERENCE_NUM_THREADS"]) == (streams, 2)
    assert options["INFERENCE_PRECISION_HINT"] == "f32"


def test_only_bfloat16_gets_an_output_for_the_sums(files: Files) -> None:
    plain: Any = load(files, SETUP)
    narrow: Any = load(files, Setup("openvino", "bf16"))
    assert plain._compiled.model.added == []
    ((operation, number),) = narrow._compiled.model.added
    assert (operation.get_type_name(), number) == ("If", 0)
    assert narrow._compiled.options["INFERENCE_PRECISION_HINT"] == "bf16"
    # SenseVoice has no predictor.
    sys.modules["openvino"].Core.kinds = ("MatMul",)  # type: ignore[attr-defined]
    other: Any = load(files, Setup("openvino", "bf16"))
    assert other._compiled.model.added == []


def test_calls_at_the_same_time_have_requests_of_their_own_and_leave_them_to_later_ones(
    files: Files,
) -> None:
    adapter: Any = load(files, SETUP)
    adapter._compiled.meeting = threading.Barrier(3)
    found: dict[str, list[str]] = {}

    def call(name: str) -> None:
        found[name] = adapter.transcribe([name])

    threads = [threading.Thread(target=call, args=(name,), daemon=True) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {name: [name] for name in "abc"}
    adapter._compiled.meeting = threading.Barrier(1)
    # One that failed is not lost either.
    with pytest.raises(RuntimeError, match="cannot infer"):
        adapter.transcribe(["bad"])
    assert [adapter.transcribe([name]) for name in "defg"] == [[name] for name in "defg"]
    assert len(adapter._compiled.requests) == 3


@pytest.mark.parametrize("installed", [True, False])
def test_int8_networks_are_made_where_they_can_be(
    monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    made: list[str] = []
    monkeypatch.setattr(exported, "export", lambda *_: made.append("onnx"))
    monkeypatch.setattr(exported_openvino, "can_quantize", lambda: installed)
    monkeypatch.setattr(exported_openvino, "quantize", lambda files: made.append(files.family))
    monkeypatch.setattr(sys, "argv", ["exported", "paraformer", "model", "out"])
    exported.main()
    assert made == ["onnx", *(["paraformer"] if installed else [])]


@pytest.mark.slow
def test_openvino_says_what_safeasr_says(tmp_path: Path) -> None:
    for name in ("openvino", "nncf", "funasr", "onnx", "onnxruntime", "kaldi_native_fbank"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    from safeasr import AutoModel
    from safeasr.bench.audio.manifest import embedded_clips

    # In a process of its own: the export changes torch.
    command = ("benchmarks.peers.exported", "paraformer", str(DEMO), str(tmp_path / "out"))
    run_benchmark(*command, timeout=600)
    files = Files("paraformer", DEMO, tmp_path / "out")
    samples = [one.samples for one in embedded_clips()[:6]]
    with AutoModel(model=str(DEMO), device="cpu", disable_pbar=True) as model:
        expected = [str(one["text"]) for one in model.generate(samples)]
    for precision, way in WAYS:
        try:
            adapter = load(files, Setup("openvino", precision, way=way))
        except UnavailableError:
            assert precision == "bf16" or "bf16" in way
            continue
        texts = [adapter.transcribe([one])[0] for one in samples]
        adapter.close()
        changed = sum(a != b for a, b in zip(texts, expected))
        # A few words of the recordings hang by a thread, and int8 ranges by other recordings.
        assert changed <= (0 if precision == "float32" else 1), (precision, way)
