"""How a precision is asked for, what happens where it cannot be had, and bundles of each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from safeasr import AutoModel, ExportError, UnsupportedModelError, _ext
from safeasr.bundles.bundle import read_bundle
from safeasr.loading.export import export_bundle, open_bundle
from safeasr.loading.load import _check_precision
from safeasr.nets.precision import PRECISIONS, narrow
from safeasr.options.model import pick_precision
from support.audio import speech
from support.precision import OPTIONS, require

CLIP = speech(3.0, seed=3)


@pytest.fixture(params=list(OPTIONS))
def precision(request: pytest.FixtureRequest) -> str:
    require(request.param)
    return str(request.param)


@pytest.fixture
def old_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has instructions for float32 only."""
    monkeypatch.setattr(_ext, "cpu_supports", lambda precision: precision == "float32")


@pytest.fixture
def new_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has instructions for everything."""
    monkeypatch.setattr(_ext, "cpu_supports", lambda precision: True)


@pytest.fixture
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "float32"),
        ({"bf16": False, "quantize": False, "fp16": False}, "float32"),
        ({"bf16": None, "quantize": None}, "float32"),
        ({"bf16": True}, "bfloat16"),
        ({"quantize": True}, "int8"),
        ({"bf16": True, "quantize": True}, "int8"),
    ],
    ids=str,
)
def test_what_is_asked_for(
    new_processor: None, no_warnings: None, options: dict[str, Any], expected: str
) -> None:
    assert pick_precision(options, "cpu") == expected


def test_fp16_is_named_and_hides_nothing(new_processor: None) -> None:
    with pytest.warns(UserWarning, match="fp16=True is not supported"):
        assert pick_precision({"fp16": True}, "cpu") == "float32"
    with pytest.warns(UserWarning, match="fp16=True is not supported"):
        assert pick_precision({"fp16": True, "bf16": True}, "cpu") == "bfloat16"


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "float32"),
        ({"bf16": True}, "bfloat16"),
        ({"fp16": True}, "float16"),
        ({"fp16": True, "bf16": True}, "bfloat16"),
    ],
    ids=str,
)
def test_on_an_accelerator_it_is_what_was_asked_for(
    old_processor: None, no_warnings: None, device: str, options: dict[str, Any], expected: str
) -> None:
    """Whatever the processor beside it can do."""
    assert pick_precision(options, device) == expected


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_8_bits_on_an_accelerator_are_float32(new_processor: None, device: str) -> None:
    message = f"quantize=True is not supported on {device}: running in float32"
    with pytest.warns(UserWarning, match=message):
        assert pick_precision({"quantize": True}, device) == "float32"
    with pytest.warns(UserWarning, match=message):
        assert pick_precision({"quantize": True, "fp16": True}, device) == "float32"


def test_a_bundle_in_8_bits_is_refused_by_an_accelerator(model_dir: Path) -> None:
    bundle = open_bundle(model_dir, precision="int8")
    with pytest.raises(UnsupportedModelError, match="int8 weights, which run on the CPU only"):
        _check_precision(bundle, "float32", "cuda:0")


def test_what_the_machine_can_is_a_known_precision() -> None:
    assert _ext.cpu_supports("float32")
    assert not _ext.cpu_supports("float16")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (OPTIONS["bfloat16"], r"bf16=True: .*bfloat16 \(AVX-512 BF16\): running in float32"),
        (OPTIONS["int8"], r"quantize=True: .*int8 \(AVX-512 VNNI\): running in float32"),
        ({"bf16": True, "quantize": True}, r"quantize=True: .*running in float32"),
    ],
    ids=["bf16", "quantize", "both"],
)
def test_a_processor_without_the_instructions(
    model: AutoModel,
    model_dir: Path,
    old_processor: None,
    options: dict[str, bool],
    message: str,
) -> None:
    with pytest.warns(UserWarning, match=message) as caught:
        one = AutoModel(str(model_dir), num_workers=1, disable_pbar=True, **options)
    with one:
        assert [Path(w.filename).name for w in caught] == [Path(__file__).name]
        assert one.precision == "float32"
        assert one.generate(CLIP, key="k") == model.generate(CLIP, key="k")


def test_precisions_share_no_bundle(model_dir: Path) -> None:
    bundles = [open_bundle(model_dir, precision=one) for one in PRECISIONS]
    assert len({bundle.path for bundle in bundles}) == len(PRECISIONS)
    assert [bundle.precision for bundle in bundles] == list(PRECISIONS)
    sizes = [bundle.files["encoder.ts"]["bytes"] for bundle in bundles]
    assert sizes[2] < sizes[1] < 0.75 * sizes[0]


def test_a_finished_bundle_keeps_its_precision(
    model_dir: Path, tmp_path: Path, make_model: Callable[..., AutoModel], precision: str
) -> None:
    out = export_bundle(model_dir, tmp_path / "bundle", precision=precision).path
    expected = make_model(model_dir, **OPTIONS[precision]).generate(CLIP, key="k")
    other = next(name for name in OPTIONS if name != precision)
    with pytest.warns(UserWarning, match=f"holds {precision} weights.* not in {other}") as caught:
        model = AutoModel(str(out), disable_pbar=True, num_workers=1, **OPTIONS[other])
    with model:
        assert [Path(w.filename).name for w in caught] == [Path(__file__).name]
        assert model.precision == precision
        assert model.generate(CLIP, key="k") == expected


def test_a_finished_bundle_is_quiet_about_what_it_is(
    model_dir: Path,
    tmp_path: Path,
    make_model: Callable[..., AutoModel],
    precision: str,
    no_warnings: None,
) -> None:
    out = export_bundle(model_dir, tmp_path / "bundle", precision=precision).path
    assert make_model(out, **OPTIONS[precision]).precision == precision
    assert make_model(out).precision == precision


def test_a_finished_bundle_on_a_processor_without_the_instructions(
    model_dir: Path, tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = export_bundle(model_dir, tmp_path / "bundle", precision=precision).path
    monkeypatch.setattr(_ext, "cpu_supports", lambda one: one == "float32")
    with pytest.warns(UserWarning, match=f"holds {precision} weights, .*no instructions") as caught:
        AutoModel(str(out), disable_pbar=True, num_workers=1).close()
    assert [Path(w.filename).name for w in caught] == [Path(__file__).name]


def test_a_detector_stays_in_float32(
    tmp_path: Path, make_model: Callable[..., AutoModel], precision: str, no_warnings: None
) -> None:
    clip = speech(8.0, seed=1)
    plain = make_model("demo-vad")
    reduced = make_model("demo-vad", **OPTIONS[precision])
    assert reduced.precision == "float32"
    expected = plain.generate(clip, key="k")
    assert expected[0]["value"]
    assert reduced.generate(clip, key="k") == expected
    # And as a finished bundle beside a recogniser in reduced precision.
    bundle = export_bundle(Path(plain.model_path), tmp_path / "vad").path
    both = make_model("demo", vad_model=str(bundle), **OPTIONS[precision])
    assert both.precision == precision
    assert isinstance(both.generate(clip)[0]["text"], str)


def test_a_model_exports_what_it_runs_in(
    tmp_path: Path, make_model: Callable[..., AutoModel], precision: str
) -> None:
    model = make_model(**OPTIONS[precision])
    same = model.export(str(tmp_path / "same"))
    assert read_bundle(Path(same)).precision == precision
    assert make_model(same).generate(CLIP, key="k") == model.generate(CLIP, key="k")
    wide = model.export(str(tmp_path / "wide"), precision="float32")
    assert read_bundle(Path(wide)).precision == "float32"


def test_unknown_precisions_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a precision of float32, bfloat16, int8"):
        narrow(torch.nn.Module(), "int4")


def test_exports_that_cannot_be(
    model_dir: Path, tmp_path: Path, make_model: Callable[..., AutoModel], old_processor: None
) -> None:
    # This machine need not have the instructions to export.
    finished = export_bundle(model_dir, tmp_path / "int8", precision="int8").path
    with pytest.raises(ExportError, match="is a finished bundle in int8"):
        export_bundle(finished, tmp_path / "a", precision="bfloat16")
    assert export_bundle(finished, tmp_path / "b").precision == "int8"
    with pytest.raises(ExportError, match=r"FsmnVAD.* float32 only"):
        make_model("demo-vad").export(str(tmp_path / "c"), precision="int8")
    with pytest.raises(ValueError, match="expected a precision of float32, bfloat16, int8"):
        export_bundle(model_dir, tmp_path / "d", precision="fp8")
