"""float16, the precision of accelerators, on the CPU: slow, but the same networks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
import torch

from safeasr import AutoModel
from safeasr.loading.export import export_bundle, open_bundle
from support.audio import recordings, speech
from support.cases import FamilyCase, live_answers, of_all
from support.ragged import on_tensor_op_path

pytest.importorskip("funasr", reason="funasr makes the models")

ops = torch.ops.safeasr


def test_norms() -> None:
    x, update = torch.randn(9, 32), torch.randn(9, 32).half()
    weight, bias = torch.randn(2, 32)
    total, normed = ops.add_norm(x, update, weight, bias, 1e-12, True, True)
    assert (total.dtype, normed.dtype) == (torch.float32, torch.float16)
    torch.testing.assert_close(total, x + update.float())
    expected = torch.nn.functional.layer_norm(total, [32], weight, bias, 1e-12)
    torch.testing.assert_close(normed.float(), expected, rtol=1e-3, atol=1e-3)
    for given in (total, total.half()):
        wide = ops.norm(given, weight, bias, 1e-12, False, True)
        narrow = ops.norm(given, weight, bias, 1e-12, True, True)
        assert (wide.dtype, narrow.dtype) == (torch.float32, torch.float16)
        torch.testing.assert_close(narrow, wide.half())
    # Without the last argument, as programs call it that were exported before there was one.
    assert ops.norm(x, weight, bias, 1e-12, True).dtype == torch.bfloat16


@of_all(lambda case: "float16" in case.reduced)
@pytest.mark.slow
def test_every_family_runs_in_it(
    case: FamilyCase, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """A finished bundle runs on the CPU too, with a warning, by both ways."""
    out = export_bundle(case.write(tmp_path / "model"), tmp_path / "out", precision="float16")
    assert out.precision == "float16"

    def ask() -> Any:
        with pytest.warns(UserWarning, match="holds float16 weights.*no instructions"):
            model = make_model(out.path)
        assert model.precision == "float16"
        if case.live is not None:
            return [live_answers(model, job) for job in case.live(2)]
        return model.generate(case.together([case.clip(3.0, 1), case.clip(0.6, 2)]), key=["a", "b"])

    usual = ask()
    with on_tensor_op_path():
        forced = ask()
    assert usual and forced
    if case.live is None:
        assert [one["key"] for one in usual] == [one["key"] for one in forced] == ["a", "b"]


def test_texts_are_those_of_float32(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    """A trained model says the same."""
    plain = make_model("demo")
    out = export_bundle(Path(plain.model_path), tmp_path / "out", precision="float16").path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        half = make_model(out)
    clips = [*recordings(), *(speech(seconds, seed=7) for seconds in (2.0, 4.0, 7.0, 11.0))]
    found, wanted = (
        [word for one in model.generate(clips) for word in one["text"].split()]
        for model in (half, plain)
    )
    assert len(wanted) > 20
    # What the model was not trained for leaves it unsure, and rounding decides; so not every word.
    assert SequenceMatcher(None, found, wanted, autojunk=False).ratio() > 0.9


def test_the_weights_take_half_the_room(model_dir: Path) -> None:
    sizes = {
        one: open_bundle(model_dir, precision=one).files["encoder.ts"]["bytes"]
        for one in ("float32", "bfloat16", "float16")
    }
    assert abs(sizes["float16"] - sizes["bfloat16"]) < 0.05 * sizes["float32"]
