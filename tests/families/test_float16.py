"""float16, the precision of accelerators, on the CPU: slow, but the same networks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AutoModel
from safeasr.loading.export import export_bundle, open_bundle
from support import models, sense_voice, streaming
from support.audio import recordings, speech
from support.encoding import encode
from support.ragged import by_device_ways
from test_device_ways import rows

pytest.importorskip("funasr", reason="funasr makes the models")

ops = torch.ops.safeasr


@pytest.mark.parametrize("shape", models.SHAPES, ids=lambda shape: shape.name)
def test_numbers_of_the_encoder(shape: models.Shape, tmp_path: Path) -> None:
    """Ten times as close to float32 as bfloat16 is allowed to be; and by the ways of devices."""
    directory = models.write_model_dir(tmp_path, shape)
    wide, bundle = (open_bundle(directory, precision=one) for one in ("float32", "float16"))
    arrays = rows(bundle.frontend["n_mels"] * bundle.frontend["lfr_m"])
    exact, found = encode(wide, arrays), encode(bundle, arrays)
    with by_device_ways():
        forced = encode(bundle, arrays)
    for other in (found, forced):
        for (hidden, alphas), (hidden_32, alphas_32) in zip(other, exact, strict=True):
            error = np.linalg.norm(hidden - hidden_32) / np.linalg.norm(hidden_32)
            assert 1e-6 < error < 1e-3  # more than nothing, or nothing was reduced
            assert np.abs(alphas - alphas_32).max() < 1e-3


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


WRITERS: dict[str, Callable[[Path], Path]] = {
    "Paraformer": models.write_model_dir,
    "SenseVoiceSmall": sense_voice.write_model_dir,
    "ParaformerStreaming": streaming.write_streaming_dir,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_family_runs_in_it(
    kind: str, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """A finished bundle runs on the CPU too, with a warning, by both ways."""
    out = export_bundle(WRITERS[kind](tmp_path / "model"), tmp_path / "out", precision="float16")
    assert out.precision == "float16"

    def ask() -> Any:
        with pytest.warns(UserWarning, match="holds float16 weights.*no instructions"):
            model = make_model(out.path)
        assert model.precision == "float16"
        clip = speech(3.0, seed=1)
        if kind == "ParaformerStreaming":
            options = {"chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4,
                       "decoder_chunk_look_back": 1}  # fmt: skip
            return streaming.safe_texts(model, streaming.pieces_of(clip, 9600), options)
        return model.generate([clip, clip[:9000]], key=["a", "b"])

    usual = ask()
    with by_device_ways():
        forced = ask()
    assert usual and forced
    if kind != "ParaformerStreaming":
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
