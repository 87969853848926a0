"""Small MonotonicAligners with random weights, their recordings with texts, and FunASR on them."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import yaml

from safeasr.text.timestamps import integrate_and_fire, ts_prediction_lfr6_standard
from support.audio import Samples, speech
from support.models import ENGLISH, HAN, SHAPES, USUAL, Shape, write_cmvn
from support.oracle import pipeline_oracle
from support.seaco import DRIFT_STEP, SEG_DICT, STEP, bicif_config

__all__ = ["ALIGNER_SHAPES", "AlignerOracle", "said_in", "write_aligner"]

ALIGNER_SHAPES = [
    USUAL,
    replace(SHAPES[1], predictor={"smooth_factor2": 0.6, "noise_threshold2": 0.0}),
    replace(SHAPES[4], predictor={"l_order": 0, "r_order": 2}, vocabulary=USUAL.vocabulary),
]
#: What is said in a second, about.
_WORDS_A_SECOND = 4


def aligner_config(shape: Shape) -> dict[str, Any]:
    """The config.yaml of a MonotonicAligner."""
    config = bicif_config(shape)
    for key in ("decoder", "decoder_conf", "ctc_conf"):
        del config[key]
    conf = {"length_normalized_loss": False, "predictor_bias": 1}
    return {**config, "model": "MonotonicAligner", "model_conf": conf}


def write_aligner(path: Path, shape: Shape = USUAL, seed: int = 0, *, split: bool = False) -> Path:
    """A model directory; ``split``: its tokenizer is told of words and their pieces."""
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    path.mkdir(parents=True, exist_ok=True)
    config, tokens = aligner_config(shape), list(shape.vocabulary)
    if split:
        (path / "seg_dict").write_text(SEG_DICT, encoding="utf-8")
        metas = {
            "init_param": "model.pt",
            "config": "config.yaml",
            "tokenizer_conf": {"token_list": "tokens.json", "seg_dict_file": "seg_dict"},
            "frontend_conf": {"cmvn_file": "am.mvn"},
        }
        (path / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    (path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    (path / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    size = config["frontend_conf"]["n_mels"] * config["frontend_conf"]["lfr_m"]
    write_cmvn(path / "am.mvn", size, seed)
    conf = copy.deepcopy(config) | copy.deepcopy(config["model_conf"])
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        network = tables.model_classes["MonotonicAligner"](**conf, input_size=size)
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                value.add_(0.1 * torch.randn(value.shape))
            elif "norm" in name:
                value.mul_(1 + 0.2 * torch.randn(value.shape))
        # The weights differ from step to step.
        network.predictor.cif_output2.weight.mul_(12)
        network.predictor.upsample_cnn.weight.mul_(4)
    torch.save(network.state_dict(), path / "model.pt")
    return path


def said_in(seconds: float, seed: int = 0, rate: int = 16000) -> tuple[Samples, str]:
    """A recording, and a text that might be what is said in it: Chinese, words and odd things."""
    rng = np.random.default_rng(seed)
    count = max(1, round(seconds * _WORDS_A_SECOND))
    words = rng.choice([*HAN, *HAN, *ENGLISH, "x", "？", "2024"], count)
    text = "".join(f"{word} " if word.isascii() else word for word in map(str, words))
    return speech(seconds, seed, rate), text.strip()


class AlignerOracle:
    """A fresh FunASR aligner."""

    def __init__(self, path: Path | str) -> None:
        self.model = pipeline_oracle(model=str(path))
        self._seen: list[torch.Tensor] = []
        tell = self.model.model.calc_predictor_timestamp

        def noted(*arguments: Any, **named: Any) -> Any:
            given = tell(*arguments, **named)
            self._seen = [given[2].detach().clone()]
            return given

        self.model.model.calc_predictor_timestamp = noted

    def generate(self, input: Any, **options: Any) -> list[dict[str, Any]]:
        """FunASR's own ``generate``."""
        found: list[dict[str, Any]] = self.model.generate(
            input, **{"data_type": ("sound", "text"), **options}
        )
        return found

    def answer(self, pair: tuple[Samples, str], **options: Any) -> tuple[dict[str, Any], bool]:
        """What FunASR says of a pair, without the key, and whether its times are a decision."""
        import funasr.models.monotonic_aligner.model as module

        told: list[str] = []
        tell = module.ts_prediction_lfr6_standard

        def noted(alphas: Any, peaks: Any, tokens: list[str], **named: Any) -> Any:
            told[:] = tokens
            return tell(alphas, peaks, tokens, **named)

        with mock.patch.object(module, "ts_prediction_lfr6_standard", noted):
            [result] = self.generate((pair[0].copy(), pair[1]), **options)
        del result["key"]
        steps = self._seen[0][0].numpy()
        rng = np.random.default_rng(0)
        seen = []
        for drift in (0.0, DRIFT_STEP, -DRIFT_STEP, None, None, None):
            move = STEP * rng.choice([-1, 1], len(steps)) if drift is None else drift
            changed = np.where(steps > 0, steps + move, steps).astype(np.float32)
            seen.append(ts_prediction_lfr6_standard(changed, integrate_and_fire(changed), told)[1])
        return result, all(times == seen[0] for times in seen)
