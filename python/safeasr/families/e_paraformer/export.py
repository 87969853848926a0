"""EParaformer's networks from FunASR's checkpoint, and its bundle."""

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
from safeasr.families.checkpoints import (
    check_paraformer,
    load_parameters,
    paraformer_decoding,
    predictor_arguments,
    refuse_leftovers,
    require,
)
from safeasr.families.e_paraformer.network import (
    PifDecoderProgram,
    PifEncoderProgram,
    PifParameters,
)
from safeasr.families.frontends import offline_frontend
from safeasr.families.paraformer.export import (
    SIGNATURES,
    build_decoder,
    build_encoder,
    save_narrowed,
)

__all__ = ["build_networks", "export"]

_KIND: Final = "EParaformer"
_SIGNATURES = {
    "encoder": {
        **SIGNATURES["encoder"],
        "outputs": ["hidden with places (rows, D + 1) float32", "alphas (rows) float32"],
    },
    "decoder": {
        **SIGNATURES["decoder"],
        "inputs": [
            "any (tokens, D + 1) float32",
            "offsets (B + 1) int64",
            "hidden with places (rows, D + 1) float32",
            "hidden offsets (B + 1) int64",
        ],
    },
}


def build_networks(
    config: Mapping[str, Any] | Settings,
    weights: Mapping[str, Tensor],
    input_size: int,
    vocab_size: int,
) -> tuple[PifEncoderProgram, PifDecoderProgram]:
    """The two networks, with the checkpoint's weights in float32.

    Args:
        config: config.yaml.
        weights: the checkpoint.
        input_size: width of the features.
        vocab_size: tokens.

    Raises:
        UnsupportedModelError: if it is another network, such as one with a Conformer.
        ExportError: if the checkpoint does not fit, or a setting makes no sense.
    """
    config = Settings.of(config)
    check_paraformer(
        _KIND,
        config,
        encoder="SANMEncoder",
        input_layers=("pe", None),
        predictor="PifPredictor",
    )
    require(_KIND, config.section("model_conf", optional=True), "share_embedding", False)
    taken: set[str] = set()
    encoder = build_encoder(config, weights, taken, input_size)
    conf = config.section("predictor_conf")
    sizes = predictor_arguments(conf, encoder.size)
    heads = conf.whole("sigma_heads", 4, least=1, most=1024)
    if encoder.size % heads:
        raise conf.wrong("sigma_heads", f"a divisor of the encoder's size {encoder.size}")
    with torch.device("meta"):
        predictor = PifParameters(**sizes, sigma_heads=heads)
    taken |= load_parameters(predictor, weights, "predictor.")
    decoder = build_decoder(config, weights, taken, vocab_size, encoder.size)
    refuse_leftovers(weights, taken)
    return (
        PifEncoderProgram(encoder, predictor),
        PifDecoderProgram(decoder, predictor.sigma, predictor.bias),
    )


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts and decoder.ts."""
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    check_vocabulary(model.tokens, tokens, weights.get("decoder.output_layer.weight"))
    encoder, decoder = build_networks(
        model.settings, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
    )
    ids, integration = paraformer_decoding(model.settings)
    spans = {name: integration[name] for name in ("cif_left", "cif_right")}
    return Bundle(
        path=out,
        family="e_paraformer",
        model_class=model.model_class,
        programs=save_narrowed({"encoder": encoder, "decoder": decoder}, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={**ids, **spans},
        signatures=_SIGNATURES,
    )
