"""Paraformer's networks from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.program import save_program
from safeasr.families.checkpoints import (
    DECODER_KEYS,
    ENCODER_KEYS,
    PREDICTOR_KEYS,
    check_paraformer,
    load_parameters,
    offline_frontend,
    pick,
    section,
)
from safeasr.families.paraformer.network import DecoderProgram, EncoderProgram
from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.precision import narrow
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = [
    "SIGNATURES",
    "build_decoder",
    "build_encoder",
    "build_networks",
    "build_predictor",
    "decoding_settings",
    "export",
    "save_narrowed",
]

_KIND = "Paraformer"

#: What the programs take and give, for readers of bundles.
SIGNATURES: dict[str, dict[str, list[str]]] = {
    "encoder": {
        "inputs": [
            "features (rows, F) float32",
            "positions (rows) float32",
            "offsets (B + 1) int64",
            "neighbours (rows, span) int64",
        ],
        "outputs": ["hidden (rows, D) float32", "alphas (rows) float32"],
    },
    "decoder": {
        "inputs": [
            "embeddings (tokens, D) float32",
            "offsets (B + 1) int64",
            "hidden (rows, D) float32",
            "hidden offsets (B + 1) int64",
        ],
        "outputs": ["token ids (tokens) int64"],
    },
}


def build_encoder(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], input_size: int
) -> SanmEncoder:
    """The encoder of an offline Paraformer, with the checkpoint's weights in float32."""
    conf = section(config, "encoder_conf")
    with torch.device("meta"):
        encoder = SanmEncoder(input_size, **pick(conf, *ENCODER_KEYS, "input_layer"))
    load_parameters(encoder, weights, "encoder.")
    return encoder


def build_predictor(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> CifWeights:
    """The predictor of an offline Paraformer, as far as tokens go."""
    with torch.device("meta"):
        predictor = CifWeights(**pick(section(config, "predictor_conf"), *PREDICTOR_KEYS))
    load_parameters(predictor, weights, "predictor.")
    return predictor


def build_decoder(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], vocab_size: int, size: int
) -> ParaformerDecoder:
    """The decoder of an offline Paraformer; ``size`` is the encoder's."""
    conf = section(config, "decoder_conf")
    with torch.device("meta"):
        decoder = ParaformerDecoder(
            vocab_size,
            size,
            **pick(conf, *DECODER_KEYS, "att_layer_num", "kernel_size", "sanm_shfit"),
        )
    load_parameters(decoder, weights, "decoder.")
    return decoder


def decoding_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a bundle of an offline Paraformer says about decoding."""
    conf = dict(config.get("model_conf") or {})
    predictor = section(config, "predictor_conf")
    return {
        "blank_id": int(conf.get("blank_id", 0)),
        "sos": int(conf.get("sos", 1)),
        "eos": int(conf.get("eos", 2)),
        "tail_threshold": float(predictor.get("tail_threshold", 0.0)),
        "cif_left": int(predictor["l_order"]),
        "cif_right": int(predictor["r_order"]),
    }


def save_narrowed(programs: Mapping[str, nn.Module], out: Path, precision: str) -> dict[str, str]:
    """Write programs in a precision, each as ``<name>.ts``; returns their files."""
    files = {name: f"{name}.ts" for name in programs}
    for name, program in programs.items():
        narrow(program, precision)
        save_program(program, out / files[name])
    return files


def build_networks(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], input_size: int, vocab_size: int
) -> tuple[EncoderProgram, DecoderProgram]:
    """The two networks of a Paraformer, with the checkpoint's weights in float32."""
    check_paraformer(_KIND, config, encoder="SANMEncoder", input_layers=("pe", None))
    encoder = build_encoder(config, weights, input_size)
    decoder = build_decoder(config, weights, vocab_size, encoder.size)
    return EncoderProgram(encoder, build_predictor(config, weights)), DecoderProgram(decoder)


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts and decoder.ts."""
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    encoder, decoder = build_networks(
        model.config, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
    )
    tail_mask = bool(section(model.config, "predictor_conf").get("tail_mask", True))
    return Bundle(
        path=out,
        family="paraformer",
        model_class=model.model_class,
        programs=save_narrowed({"encoder": encoder, "decoder": decoder}, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={**decoding_settings(model.config), "tail_mask": tail_mask},
        signatures=SIGNATURES,
    )
