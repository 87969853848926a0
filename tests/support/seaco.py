"""Small models whose predictor tells times, BiCif- and SeacoParaformer, and FunASR on them."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from safeasr.text.timestamps import integrate_and_fire, ts_prediction_lfr6_standard
from support.audio import Samples
from support.models import HAN, SHAPES, USUAL, VOCABULARY, Shape, config_of, write_model_dir
from support.oracle import LOGIT_MARGIN, SUM_MARGIN, Answer, Oracle, answer_of

#: The token that says that no hotword is meant.
NO_BIAS = VOCABULARY.index("对")
#: Changes of the finer weights that times must survive: of one step at a time, and of all alike,
#: which adds up. They are smaller than those of frames, for a token has more steps than frames.
STEP, DRIFT_STEP = 1e-6, 2e-8
#: Words and their pieces, beside single characters.
WORDS = {
    "今天": "今 天",
    "天气": "天 气",
    "speech": "s@@ pee@@ ch",
    "recognize": "re@@ cog@@ nize",
    "hello": "hello",
    "world": "wor@@ ld",
}
SEG_DICT = "".join(f"{word} {pieces}\n" for word, pieces in WORDS.items()) + "".join(
    f"{one} {one}\n" for one in HAN[:40]
)
BICIF_SHAPES = [
    USUAL,
    replace(SHAPES[1], encoder={"num_blocks": 1}, rate=0.2),
    replace(SHAPES[2], predictor={"l_order": 0, "r_order": 2, "smooth_factor2": 0.6}),
]
SEACO_SHAPES = [USUAL, replace(SHAPES[2], predictor={"l_order": 2, "r_order": 1})]


def bicif_config(shape: Shape) -> dict[str, Any]:
    """The config.yaml of a BiCifParaformer."""
    config = config_of(shape)
    config["predictor_conf"] = {
        "smooth_factor2": 0.25,
        "noise_threshold2": 0.01,
        "upsample_times": 3,
        "use_cif1_cnn": False,
        "upsample_type": "cnn_blstm",
        **{k: v for k, v in config["predictor_conf"].items() if k != "tail_mask"},
    }
    return {**config, "model": "BiCifParaformer", "predictor": "CifPredictorV3"}


def seaco_config(shape: Shape) -> dict[str, Any]:
    """The config.yaml of a SeacoParaformer."""
    config = bicif_config(shape)
    config["model_conf"] |= {
        "inner_dim": config["encoder_conf"]["output_size"],
        "bias_encoder_type": "lstm",
        "bias_encoder_bid": False,
        "NO_BIAS": NO_BIAS,
    }
    return {
        **config,
        "model": "SeacoParaformer",
        "seaco_decoder": "ParaformerSANMDecoder",
        "seaco_decoder_conf": {
            "attention_heads": 2,
            "linear_units": 48,
            "num_blocks": 4,
            "kernel_size": 21,
            "sanm_shfit": 0,
            "use_output_layer": False,
            "wo_input_layer": True,
        },
    }


def _liven_head(network: Any, *_: Any) -> None:
    """The finer weights differ from step to step."""
    network.predictor.cif_output2.weight.mul_(8)
    network.predictor.upsample_cnn.weight.mul_(3)


def _liven_bias(network: Any, hidden: Any, frames: Any, tokens: Any, count: Any) -> None:
    """What is said depends on the hotwords, and about half of the tokens are left as they are."""
    _liven_head(network)
    network.decoder.embed[0].weight.mul_(2)
    for name, value in network.bias_encoder.named_parameters():
        if "weight" in name:
            value.mul_(3)
    for layer in network.seaco_decoder.decoders:
        layer.src_attn.linear_q.weight.mul_(3)
        layer.src_attn.linear_k_v.weight.mul_(4)
        layer.src_attn.linear_out.weight.mul_(3)
    words = torch.tensor([[5, 6], [7, 8], [1, 0]])
    rows = network._hotword_representation(words, torch.tensor([2, 2, 1]))[None]
    amount = torch.tensor([rows.shape[1]]).int()
    _, said, _ = network.decoder(
        hidden, frames, tokens, count, return_hidden=True, return_both=True
    )
    merged = sum(network.seaco_decoder(rows, amount, one, count)[0] for one in (tokens, said))
    output = network.hotword_output_layer
    logits = output(merged)[0]
    output.bias.sub_(logits.mean(0))
    logits = output(merged)[0]
    others = logits.clone()
    others[:, NO_BIAS] = -torch.inf
    output.bias[NO_BIAS] += (others.max(-1).values - logits[:, NO_BIAS]).median()


def write_bicif(path: Path, shape: Shape = USUAL, seed: int = 0) -> Path:
    """A model directory of a BiCifParaformer."""
    return write_model_dir(path, shape, seed, config=bicif_config(shape), tune=_liven_head)


def write_seaco(path: Path, shape: Shape = USUAL, seed: int = 0, *, split: bool = True) -> Path:
    """A model directory of a SeacoParaformer; ``split``: with a file of words and their pieces."""
    write_model_dir(path, shape, seed, config=seaco_config(shape), tune=_liven_bias)
    if split:
        (path / "seg_dict").write_text(SEG_DICT, encoding="utf-8")
    return path


class TimedOracle(Oracle):
    """A fresh FunASR model with a ``CifPredictorV3``."""

    def __init__(self, path: Path | str, rate: int = 16000) -> None:
        super().__init__(path, rate)
        self._told: list[str] = []
        tell = self.network.calc_predictor_timestamp

        def noted(*arguments: Any) -> Any:
            given = tell(*arguments)
            self._seen["steps"] = [given[2].detach().clone()]
            return given

        self.network.calc_predictor_timestamp = noted
        if hasattr(self.network, "hotword_output_layer"):
            self.network.hotword_output_layer.register_forward_hook(self._note_one("bias"))
            score = self.network.seaco_decoder.forward_asf6

            def scored(*arguments: Any) -> Any:
                given = score(*arguments)
                self._seen["shares"] = [given.detach().clone()]
                return given

            self.network.seaco_decoder.forward_asf6 = scored

    def _note_one(self, name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            self._seen[name] = [output.detach().clone()]

        return hook

    def answer(self, audio: Samples, **options: Any) -> Answer:
        """What FunASR says with these options."""
        module = sys.modules[type(self.network).__module__]
        tell = module.ts_prediction_lfr6_standard
        self._told = []

        def noted(alphas: Any, peaks: Any, tokens: list[str], **kwargs: Any) -> Any:
            self._told = list(tokens)
            return tell(alphas, peaks, tokens, **kwargs)

        timed: tuple[str, list[list[int]]] | None = None
        with (
            mock.patch.object(module, "ts_prediction_lfr6_standard", noted),
            contextlib.suppress(IndexError),  # its timestamps need some frames
        ):
            results = self.generate(audio, **options)
            timed = answer_of(results[0]) if results else ("", [])
        text = timed[0] if timed else ""
        clear = timed is not None and self._text_is_clear()
        return Answer(text, timed, clear, clear and self._times_are_clear())

    def _text_is_clear(self) -> bool:
        alphas = self._seen["predictor"][2]
        total = float(alphas[0].double().sum())
        edge = total if self.network.predictor.tail_threshold > 0 else total + 0.5
        if abs(edge - round(edge)) < SUM_MARGIN:
            return False
        for name in ("decoder", "bias"):
            if name in self._seen:
                logits = self._seen[name][0][0]
                best = logits.topk(2, dim=-1).values
                if float((best[:, 0] - best[:, 1]).min()) <= LOGIT_MARGIN * float(logits.std()):
                    return False
        if "shares" in self._seen:
            shares = self._seen["shares"][0][0].sum(0).sum(0).sort(descending=True).values
            if len(shares) > 51 and float(shares[49] - shares[50]) < 1e-4 * float(shares[49]):
                return False
        return True

    def _times_are_clear(self) -> bool:
        """Whether times stay when the finer weights change a very little."""
        if "steps" not in self._seen or not self._told:
            return True
        steps = self._seen["steps"][0][0].numpy()
        rng = np.random.default_rng(0)
        seen = []
        for drift in (0.0, DRIFT_STEP, -DRIFT_STEP, None, None, None):
            move = STEP * rng.choice([-1, 1], len(steps)) if drift is None else drift
            changed = np.where(steps > 0, steps + move, steps).astype(np.float32)
            seen.append(
                ts_prediction_lfr6_standard(changed, integrate_and_fire(changed), self._told)[1]
            )
        return all(times == seen[0] for times in seen)


def many_hotwords(count: int, seed: int = 0) -> list[str]:
    """Different hotwords of two or three characters."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choice(HAN[:40], rng.integers(2, 4)))] = None
    return list(found)
