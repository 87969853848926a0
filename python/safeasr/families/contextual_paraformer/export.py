"""ContextualParaformer's networks from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import (
    DECODER_KEYS,
    check_paraformer,
    load_parameters,
    offline_frontend,
    pick,
    require,
    section,
)
from safeasr.families.contextual_paraformer.network import ContextualDecoderProgram
from safeasr.families.hotword_lists import (
    build_bias_encoder,
    check_inner_size,
    copy_seg_dict,
    hotword_settings,
)
from safeasr.families.paraformer.export import (
    SIGNATURES,
    build_encoder,
    build_predictor,
    decoding_settings,
    save_narrowed,
)
from safeasr.families.paraformer.network import EncoderProgram
from safeasr.nets.contextual_decoder import ContextualDecoder
from safeasr.nets.ragged_lstm import LSTM_UNITS

__all__ = ["export"]

_KIND = "ContextualParaformer"
_SIGNATURES = {
    **SIGNATURES,
    "decoder": {
        "inputs": [
            *SIGNATURES["decoder"]["inputs"],
            "words (words, D) float32",
            "rows of words (s) int64",
            "offsets into them (B + 1) int64",
            "scales (tokens) float32",
        ],
        "outputs": ["token ids (tokens) int64"],
    },
    "bias_encoder": {
        "inputs": ["ids (pieces) int64", "offsets (words + 1) int64", "last (words) int64"],
        "outputs": ["words (words, D) float32"],
    },
}


def _check(config: Mapping[str, Any]) -> None:
    check_paraformer(
        _KIND,
        config,
        encoder="SANMEncoder",
        input_layers=("pe", None),
        decoder="ContextualParaformerDecoder",
    )
    conf = dict(config.get("model_conf") or {})
    require(_KIND, conf, "bias_encoder_type", "lstm")
    layers = section(config, "decoder_conf").get("att_layer_num", 6)
    if layers < 1:
        raise UnsupportedModelError(
            f"decoder_conf.att_layer_num={layers!r} is not supported for {_KIND}: the last layer "
            "that attends to sound attends to hotwords too"
        )


def _decoder(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], vocab_size: int, size: int
) -> ContextualDecoder:
    conf = section(config, "decoder_conf")
    with torch.device("meta"):
        decoder = ContextualDecoder(
            vocab_size,
            size,
            **pick(conf, *DECODER_KEYS, "att_layer_num", "kernel_size", "sanm_shfit"),
        )
    # In the checkpoint it is a convolution over one row.
    name = "decoder.bias_output.weight"
    flat = {name: weights[name].squeeze(-1)} if name in weights else {}
    load_parameters(decoder, {**weights, **flat}, "decoder.")
    return decoder


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts, decoder.ts and bias_encoder.ts."""
    config = model.config
    _check(config)
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    encoder = build_encoder(config, weights, frontend["n_mels"] * frontend["lfr_m"])
    size = encoder.size
    check_inner_size(_KIND, config, size)
    if size % LSTM_UNITS:
        raise UnsupportedModelError(
            f"encoder_conf.output_size={size} is not supported for {_KIND}: expected a multiple of "
            f"{LSTM_UNITS}"
        )
    own = bool(dict(config.get("model_conf") or {}).get("use_decoder_embedding", False))
    programs = {
        "encoder": EncoderProgram(encoder, build_predictor(config, weights)),
        "decoder": ContextualDecoderProgram(_decoder(config, weights, len(tokens), size)),
        "bias_encoder": build_bias_encoder(
            weights,
            len(tokens),
            size,
            layers=1,
            embedding="decoder.embed.0." if own else "bias_embed.",
        ),
    }
    return Bundle(
        path=out,
        family="contextual_paraformer",
        model_class=model.model_class,
        programs=save_narrowed(programs, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={**decoding_settings(config), **hotword_settings(config, tokens)},
        assets=copy_seg_dict(model, out),
        signatures=_SIGNATURES,
    )
