"""SeACo-Paraformer's networks from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.errors import UnsupportedModelError
from safeasr.families.bicif_paraformer.export import TIMED_SIGNATURES, build_timed_encoder
from safeasr.families.checkpoints import (
    DECODER_KEYS,
    load_parameters,
    offline_frontend,
    pick,
    require,
    section,
)
from safeasr.families.hotword_lists import (
    build_bias_encoder,
    check_inner_size,
    copy_seg_dict,
    hotword_settings,
)
from safeasr.families.paraformer.export import build_decoder, decoding_settings, save_narrowed
from safeasr.families.seaco_paraformer.network import (
    BiasDecoderProgram,
    HiddenDecoderProgram,
)
from safeasr.nets.bias_decoder import SCORING_LAYER, BiasDecoder
from safeasr.nets.layers import Linear

__all__ = ["export"]

_KIND = "SeacoParaformer"
_BIAS_LAYERS = 2

_SIGNATURES = {
    **TIMED_SIGNATURES,
    "decoder": {
        **TIMED_SIGNATURES["decoder"],
        "outputs": ["token ids (tokens) int64", "hidden (tokens, D) float32"],
    },
    "bias_encoder": {
        "inputs": ["ids (pieces) int64", "offsets (words + 1) int64", "last (words) int64"],
        "outputs": ["words (words, D) float32"],
    },
    "bias_decoder": {
        "inputs": [
            "embeddings (tokens, D) float32",
            "hidden (tokens, D) float32",
            "token ids (tokens) int64",
            "rows (r) int64",
            "offsets int64",
            "words (words, D) float32",
            "rows of words (s) int64",
            "offsets into them int64",
            "places (t) int64",
            "left int64",
            "right int64",
            "filter (1) bool",
        ],
        "outputs": ["token ids (tokens) int64", "scores (s or none) float32"],
    },
}


def _check(config: Mapping[str, Any]) -> None:
    conf = dict(config.get("model_conf") or {})
    require(_KIND, conf, "bias_encoder_type", "lstm")
    require(_KIND, conf, "bias_encoder_bid", False)
    require(_KIND, {"seaco_decoder": None, **config}, "seaco_decoder", "ParaformerSANMDecoder")
    bias = section(config, "seaco_decoder_conf")
    require(_KIND, bias, "normalize_before", True)
    require(_KIND, bias, "concat_after", False)
    require(_KIND, bias, "lora_list", None)
    layers = bias.get("att_layer_num", 6)
    if layers <= SCORING_LAYER:
        raise UnsupportedModelError(
            f"seaco_decoder_conf.att_layer_num={layers!r} is not supported for {_KIND}: hotwords "
            f"are chosen by layer {SCORING_LAYER + 1}"
        )


def _hotword_programs(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], vocab_size: int, size: int
) -> dict[str, nn.Module]:
    check_inner_size(_KIND, config, size)
    with torch.device("meta"):
        decoder = BiasDecoder(
            size,
            **pick(
                section(config, "seaco_decoder_conf"),
                *DECODER_KEYS,
                "att_layer_num",
                "kernel_size",
                "sanm_shfit",
            ),
        )
        output = Linear(size, vocab_size, wide=True)
    load_parameters(decoder, weights, "seaco_decoder.")
    load_parameters(output, weights, "hotword_output_layer.")
    no_bias = int(dict(config.get("model_conf") or {}).get("NO_BIAS", 8377))
    return {
        "bias_encoder": build_bias_encoder(
            weights, vocab_size, size, layers=_BIAS_LAYERS, embedding="decoder.embed.0."
        ),
        "bias_decoder": BiasDecoderProgram(decoder, output, no_bias),
    }


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts, decoder.ts, bias_encoder.ts and bias_decoder.ts."""
    _check(model.config)
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    encoder = build_timed_encoder(
        _KIND, model.config, weights, frontend["n_mels"] * frontend["lfr_m"]
    )
    size = encoder.encoder.size
    decoder = build_decoder(model.config, weights, len(tokens), size)
    programs: dict[str, nn.Module] = {
        "encoder": encoder,
        "decoder": HiddenDecoderProgram(decoder),
        **_hotword_programs(model.config, weights, len(tokens), size),
    }
    return Bundle(
        path=out,
        family="seaco_paraformer",
        model_class=model.model_class,
        programs=save_narrowed(programs, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={
            **decoding_settings(model.config),
            **hotword_settings(model.config, tokens),
        },
        assets=copy_seg_dict(model, out),
        signatures=_SIGNATURES,
    )
