"""Paraformer's networks from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

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

__all__ = ["build_networks", "export"]

_KIND = "Paraformer"


def build_networks(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], input_size: int, vocab_size: int
) -> tuple[EncoderProgram, DecoderProgram]:
    """The two networks of a Paraformer, with the checkpoint's weights in float32."""
    check_paraformer(_KIND, config, encoder="SANMEncoder", input_layers=("pe", None))
    encoder_conf, decoder_conf, predictor_conf = (
        section(config, name) for name in ("encoder_conf", "decoder_conf", "predictor_conf")
    )
    with torch.device("meta"):
        encoder = SanmEncoder(input_size, **pick(encoder_conf, *ENCODER_KEYS, "input_layer"))
        predictor = CifWeights(**pick(predictor_conf, *PREDICTOR_KEYS))
        decoder = ParaformerDecoder(
            vocab_size,
            encoder.size,
            **pick(decoder_conf, *DECODER_KEYS, "att_layer_num", "kernel_size", "sanm_shfit"),
        )
    load_parameters(encoder, weights, "encoder.")
    load_parameters(predictor, weights, "predictor.")
    load_parameters(decoder, weights, "decoder.")
    return EncoderProgram(encoder, predictor), DecoderProgram(decoder)


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts and decoder.ts."""
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    encoder, decoder = build_networks(
        model.config, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
    )
    for program, file in ((encoder, "encoder.ts"), (decoder, "decoder.ts")):
        narrow(program, precision)
        save_program(program, out / file)
    conf = dict(model.config.get("model_conf") or {})
    predictor = dict(model.config["predictor_conf"])
    return Bundle(
        path=out,
        family="paraformer",
        model_class=model.model_class,
        programs={"encoder": "encoder.ts", "decoder": "decoder.ts"},
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={
            "blank_id": int(conf.get("blank_id", 0)),
            "sos": int(conf.get("sos", 1)),
            "eos": int(conf.get("eos", 2)),
            "tail_threshold": float(predictor.get("tail_threshold", 0.0)),
            "tail_mask": bool(predictor.get("tail_mask", True)),
            "cif_left": int(predictor["l_order"]),
            "cif_right": int(predictor["r_order"]),
        },
        signatures={
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
        },
    )
