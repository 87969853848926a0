"""Small ContextualParaformers, and FunASR on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.models import USUAL, Shape, config_of, write_model_dir
from support.oracle import Oracle
from support.seaco import SEG_DICT


def contextual_config(shape: Shape, *, own_embedding: bool = False) -> dict[str, Any]:
    """The config.yaml of a ContextualParaformer."""
    config = config_of(shape)
    config["model_conf"] |= {
        "inner_dim": config["encoder_conf"]["output_size"],
        "bias_encoder_type": "lstm",
        "use_decoder_embedding": own_embedding,
    }
    return {**config, "model": "ContextualParaformer", "decoder": "ContextualParaformerDecoder"}


def _liven(network: Any, hidden: Any, frames: Any, tokens: Any, count: Any) -> None:
    """What is said depends on the hotwords."""
    for embed in (network.decoder.embed[0], network.bias_embed):
        embed.weight.mul_(2)
    for name, value in network.bias_encoder.named_parameters():
        if "weight" in name:
            value.mul_(3)
    attention = network.decoder.bias_decoder.src_attn
    for layer in (attention.linear_q, attention.linear_k_v, attention.linear_out):
        layer.weight.mul_(3)
    network.decoder.bias_output.weight.mul_(3)
    logits, _ = network.cal_decoder_with_predictor(hidden, frames, tokens, count)
    network.decoder.output_layer.bias.sub_(logits[0].mean(0))


def write_contextual(
    path: Path, shape: Shape = USUAL, seed: int = 0, *, own_embedding: bool = False
) -> Path:
    """A model directory of a ContextualParaformer."""
    config = contextual_config(shape, own_embedding=own_embedding)
    write_model_dir(path, shape, seed, config=config, tune=_liven)
    (path / "seg_dict").write_text(SEG_DICT, encoding="utf-8")
    return path


class ContextualOracle(Oracle):
    """A fresh FunASR ContextualParaformer."""

    def said(self, audio: Any, **options: Any) -> tuple[str, bool]:
        """The text with these options, and whether FunASR leaves no doubt about it."""
        results = self.generate(audio, **options)
        text = str(results[0].get("text", "")) if results else ""
        return text, self._text_is_clear()
