"""Small EParaformers with random weights, and FunASR on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from support.audio import Samples
from support.models import SHAPES, USUAL, Shape, config_of, write_model_dir
from support.oracle import LOGIT_MARGIN, SUM_MARGIN, pipeline_oracle

__all__ = ["E_SHAPES", "EOracle", "write_e_paraformer"]

E_SHAPES = [
    USUAL,
    replace(SHAPES[1], predictor={"l_order": 2, "r_order": 0, "sigma_heads": 2, "sigma": 1.5}),
    replace(
        SHAPES[4],
        predictor={"l_order": 3, "r_order": 3, "smooth_factor": 1.2, "noise_threshold": 0.02},
    ),
]


def _liven(network: Any, *_: Any) -> None:
    """Each head has a window of its own."""
    heads = len(network.predictor.sigma)
    network.predictor.sigma.copy_(torch.linspace(0.4, 3.0, heads))
    network.predictor.bias.copy_(torch.linspace(-1, 1, heads))


def write_e_paraformer(path: Path, shape: Shape = USUAL, seed: int = 0) -> Path:
    """A model directory of an EParaformer with SAN-M encoder and decoder."""
    config = config_of(shape)
    predictor = {
        key: value
        for key, value in config["predictor_conf"].items()
        if key not in ("tail_threshold", "tail_mask")
    }
    config |= {"model": "EParaformer", "predictor": "PifPredictor", "predictor_conf": predictor}
    return write_model_dir(path, shape, seed, config=config, tune=_liven)


class EOracle:
    """A fresh FunASR model."""

    def __init__(self, path: Path | str) -> None:
        self.model = pipeline_oracle(model=str(path))
        self._seen: dict[str, Any] = {}
        for name in ("predictor", "decoder"):
            getattr(self.model.model, name).register_forward_hook(self._note(name))

    def _note(self, name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            self._seen[name] = [o.detach().clone() for o in output if isinstance(o, torch.Tensor)]

        return hook

    def answer(self, audio: Samples, **options: Any) -> tuple[str, bool]:
        """What FunASR says, and whether its numbers leave no doubt about it."""
        self._seen.clear()
        [result] = self.model.generate(audio.copy(), **options)
        total = float(self._seen["predictor"][1])
        if abs(total % 1 - 0.5) < SUM_MARGIN:
            return result["text"], False
        if "decoder" not in self._seen:
            return result["text"], True
        logits = self._seen["decoder"][0][0]
        best = logits.topk(2, dim=-1).values
        gap = float((best[:, 0] - best[:, 1]).min())
        return result["text"], gap > LOGIT_MARGIN * float(logits.std())
