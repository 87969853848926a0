"""CTC networks from FunASR's checkpoints, and their bundles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.settings import Settings
from safeasr.bundles.tables import check_vocabulary
from safeasr.families.checkpoints import load_parameters, refuse_leftovers, require, special_tokens
from safeasr.families.ctc.network import CtcNetwork
from safeasr.families.encoders import INPUTS, BuiltEncoder, build_encoder
from safeasr.families.frontends import offline_frontend
from safeasr.families.paraformer.export import save_narrowed
from safeasr.nets.ctc_head import CtcHead

__all__ = ["build_network", "export"]

_KIND: Final = "CTC"


def build_network(
    config: Mapping[str, Any] | Settings,
    weights: Mapping[str, Tensor],
    input_size: int,
    vocab_size: int,
) -> tuple[CtcNetwork, BuiltEncoder]:
    """The network, with the checkpoint's weights in float32, and the encoder in it.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    config = Settings.of(config)
    require(_KIND, config, "normalize", None, "null")
    require(_KIND, config.section("ctc_conf", optional=True), "extra_linear", True)
    taken: set[str] = set()
    built = build_encoder(_KIND, config, weights, taken, input_size)
    with torch.device("meta"):
        ctc = CtcHead(built.size, vocab_size)
    taken |= load_parameters(ctc, weights, "ctc.")
    refuse_leftovers(weights, taken)
    return CtcNetwork(built.network, ctc), built


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts."""
    require(_KIND, model.config, "tokenizer", "CharTokenizer")
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    check_vocabulary(model.tokens, tokens, weights.get("ctc.ctc_lo.weight"))
    network, built = build_network(
        model.settings, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
    )
    return Bundle(
        path=out,
        family="ctc",
        model_class=model.model_class,
        programs=save_narrowed({"model": network}, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={
            **special_tokens(model.settings, most=len(tokens) - 1),
            **built.settings(),
        },
        signatures={
            "model": {
                "inputs": INPUTS,
                "outputs": ["token ids (rows) int64"],
            },
        },
    )
