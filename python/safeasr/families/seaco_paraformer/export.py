"""SeACo-Paraformer's networks from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.errors import ExportError, UnsupportedModelError
from safeasr.families.bicif_paraformer.export import TIMED_SIGNATURES, build_timed_encoder
from safeasr.families.checkpoints import (
    DECODER_KEYS,
    load_parameters,
    offline_frontend,
    pick,
    require,
    section,
)
from safeasr.families.paraformer.export import build_decoder, decoding_settings, save_narrowed
from safeasr.families.seaco_paraformer.network import (
    BiasDecoderProgram,
    BiasEncoderProgram,
    HiddenDecoderProgram,
)
from safeasr.nets.bias_decoder import SCORING_LAYER, BiasDecoder
from safeasr.nets.layers import Linear

__all__ = ["SEG_DICT", "export"]

_KIND = "SeacoParaformer"
#: FunASR's file of words and their pieces. It is looked for beside the file of CMVN alone.
SEG_DICT = "seg_dict"
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
    conf = dict(config.get("model_conf") or {})
    if conf.get("inner_dim", 256) != size:
        raise UnsupportedModelError(
            f"model_conf.inner_dim={conf.get('inner_dim', 256)!r} is not supported for {_KIND} "
            f"with an encoder of {size}"
        )
    with torch.device("meta"):
        embed = nn.Embedding(vocab_size, size)
        lstm = nn.LSTM(size, size, _BIAS_LAYERS)
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
    load_parameters(embed, weights, "decoder.embed.0.")
    load_parameters(lstm, weights, "bias_encoder.")
    load_parameters(decoder, weights, "seaco_decoder.")
    load_parameters(output, weights, "hotword_output_layer.")
    return {
        "bias_encoder": BiasEncoderProgram(embed, lstm),
        "bias_decoder": BiasDecoderProgram(decoder, output, int(conf.get("NO_BIAS", 8377))),
    }


def _unknown(config: Mapping[str, Any], tokens: list[str]) -> int:
    symbol = str(dict(config.get("tokenizer_conf") or {}).get("unk_symbol", "<unk>"))
    if symbol not in tokens:
        raise ExportError(f"the vocabulary has no {symbol!r}, which unknown hotwords become")
    return tokens.index(symbol)


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
    assets = {}
    words = None if model.cmvn is None else model.cmvn.parent / SEG_DICT
    if words is not None and words.is_file():
        shutil.copyfile(words, out / SEG_DICT)
        assets[SEG_DICT] = SEG_DICT
    return Bundle(
        path=out,
        family="seaco_paraformer",
        model_class=model.model_class,
        programs=save_narrowed(programs, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={**decoding_settings(model.config), "unknown": _unknown(model.config, tokens)},
        assets=assets,
        signatures=_SIGNATURES,
    )
