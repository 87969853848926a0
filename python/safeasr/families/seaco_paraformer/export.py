"""SeACo-Paraformer's networks from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.bundles.tables import check_vocabulary
from safeasr.errors import UnsupportedModelError
from safeasr.families.bicif_paraformer.export import TIMED_SIGNATURES, build_timed_encoder
from safeasr.families.checkpoints import (
    decoder_arguments,
    load_parameters,
    paraformer_decoding,
    refuse_leftovers,
    require,
)
from safeasr.families.frontends import offline_frontend
from safeasr.families.hotword_lists import (
    build_bias_encoder,
    check_inner_size,
    copy_seg_dict,
    hotword_settings,
)
from safeasr.families.paraformer.export import build_decoder, save_narrowed
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


def _check(config: Settings) -> None:
    conf = config.section("model_conf", optional=True)
    require(_KIND, conf, "bias_encoder_type", "lstm")
    require(_KIND, conf, "bias_encoder_bid", False)
    named = {"seaco_decoder": None, **config.values}
    require(_KIND, named, "seaco_decoder", "ParaformerSANMDecoder")
    bias = config.section("seaco_decoder_conf")
    require(_KIND, bias, "normalize_before", True)
    require(_KIND, bias, "concat_after", False)
    require(_KIND, bias, "lora_list", None)
    layers = bias.whole("att_layer_num", 6, most=MOST_LAYERS)
    if layers <= SCORING_LAYER:
        raise UnsupportedModelError(
            f"seaco_decoder_conf.att_layer_num={layers!r} is not supported for {_KIND}: hotwords "
            f"are chosen by layer {SCORING_LAYER + 1}"
        )


def _hotword_programs(
    config: Settings, weights: Mapping[str, Tensor], taken: set[str], vocab_size: int, size: int
) -> dict[str, nn.Module]:
    check_inner_size(_KIND, config, size)
    conf = decoder_arguments(config.section("seaco_decoder_conf"), size)
    with torch.device("meta"):
        decoder = BiasDecoder(size, **conf)
        output = Linear(size, vocab_size, wide=True)
    taken |= load_parameters(decoder, weights, "seaco_decoder.")
    taken |= load_parameters(output, weights, "hotword_output_layer.")
    no_bias = config.section("model_conf", optional=True).whole("NO_BIAS", 8377)
    return {
        "bias_encoder": build_bias_encoder(
            weights, taken, vocab_size, size, layers=_BIAS_LAYERS, embedding="decoder.embed.0."
        ),
        "bias_decoder": BiasDecoderProgram(decoder, output, no_bias),
    }


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts, decoder.ts, bias_encoder.ts and bias_decoder.ts."""
    config = model.settings
    _check(config)
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    taken: set[str] = set()
    check_vocabulary(model.tokens, tokens, weights.get("decoder.output_layer.weight"))
    encoder = build_timed_encoder(
        _KIND, config, weights, taken, frontend["n_mels"] * frontend["lfr_m"]
    )
    size = encoder.encoder.size
    decoder = build_decoder(config, weights, taken, len(tokens), size)
    programs: dict[str, nn.Module] = {
        "encoder": encoder,
        "decoder": HiddenDecoderProgram(decoder),
        **_hotword_programs(config, weights, taken, len(tokens), size),
    }
    refuse_leftovers(weights, taken)
    ids, integration = paraformer_decoding(config)
    return Bundle(
        path=out,
        family="seaco_paraformer",
        model_class=model.model_class,
        programs=save_narrowed(programs, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={**ids, **integration, **hotword_settings(config, tokens)},
        assets=copy_seg_dict(model, out),
        signatures=_SIGNATURES,
    )
