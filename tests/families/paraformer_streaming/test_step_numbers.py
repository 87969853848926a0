"""A live stream's step in reduced precisions, and steps that fail."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from safeasr import AutoModel, InferenceError
from safeasr.bundles.model_dir import read_weights
from safeasr.families.paraformer_streaming.export import build_networks
from safeasr.nets.precision import narrow
from support import streaming, streaming_programs
from support.audio import speech
from support.encoding import neighbours
from support.precision import OPTIONS, require
from support.ragged import on_tensor_op_path

pytest.importorskip("funasr", reason="funasr makes the models")

#: Relative error of hidden vectors against float32. Several times what these networks show.
BOUNDS = {"bfloat16": 0.01, "int8": 0.04}


@pytest.fixture(params=list(OPTIONS))
def precision(request: pytest.FixtureRequest) -> str:
    require(request.param)
    return str(request.param)


def test_numbers_of_a_step(precision: str, tmp_path: Path) -> None:
    """A live stream's step, whose rings of keys and values are bfloat16: close to float32's."""
    directory = streaming.write_streaming_dir(tmp_path)
    config = yaml.safe_load((directory / "config.yaml").read_text())
    weights = read_weights(directory / "model.pt")
    conf = config["encoder_conf"]
    layers, size = conf["num_blocks"], conf["output_size"]
    vocabulary = len(yaml.safe_load((directory / "tokens.json").read_text("utf-8")))
    features = torch.randn(3, 20, 560, generator=torch.Generator().manual_seed(0))

    def hidden(which: str) -> torch.Tensor:
        encoder, _ = build_networks(config, weights, 560, vocabulary)
        narrow(encoder, which)
        dtype = torch.float32 if which == "float32" else torch.bfloat16
        ring = torch.zeros(layers, 2, 40, size, dtype=dtype)
        steps = []
        for step, rows in enumerate(features):
            span = torch.tensor([[0, 20 * min(step, 1), 20 if step == 0 else 0]])
            out, _, _ = encoder.eval()(
                rows, torch.arange(20.0 * step + 1, 20.0 * step + 21), rows[:0], torch.arange(20),
                torch.tensor([0, 20]), torch.from_numpy(neighbours([20], 1, 1)), [ring], span,
            )  # fmt: skip
            steps.append(out)
        return torch.cat(steps)

    with torch.inference_mode():
        exact, found = hidden("float32"), hidden(precision)
    assert found.dtype == torch.float32
    error = float((found - exact).norm() / exact.norm())
    assert 1e-5 < error < BOUNDS[precision]


@pytest.mark.parametrize("forced", [False, True], ids=["kernels", "tensor-op path"])
@pytest.mark.parametrize("steps", [1, 3])
def test_steps_that_fail_never_were(
    steps: int, forced: bool, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """Every step fails once, when all of it is written; also in the middle of a long piece."""
    directory = streaming.write_streaming_dir(tmp_path / "model", streaming.SHAPES[1])
    countdown = streaming_programs.Countdown(tmp_path / "countdown")
    bundle = streaming_programs.failing_streaming_bundle(directory, tmp_path / "failing", countdown)
    options = {
        "chunk_size": [5, 10, 5],
        "encoder_chunk_look_back": 2,
        "decoder_chunk_look_back": 1,
    }
    pieces = streaming.pieces_of(speech(12.0, seed=5), steps * 9600 + 77)
    with on_tensor_op_path() if forced else nullcontext():
        model = make_model(bundle)
        expected = streaming.safe_texts(model, pieces, options)
        cache: dict[str, Any] = {}
        texts, failed = [], 0
        for number, (samples, is_final) in enumerate(pieces):
            countdown.set(1 + number % steps)
            try:
                answer = model.generate(samples, cache=cache, is_final=is_final, **options)
            except InferenceError:
                failed += 1
                countdown.set(0)
                answer = model.generate(samples, cache=cache, is_final=is_final, **options)
            texts.append(answer[0]["text"])
        model.close()
    assert tuple(texts) == expected
    assert failed > len(pieces) / 2
