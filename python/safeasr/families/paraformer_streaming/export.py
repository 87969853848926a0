"""A streaming Paraformer's networks from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.program import save_program
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import (
    DECODER_KEYS,
    ENCODER_KEYS,
    PREDICTOR_KEYS,
    check_paraformer,
    load_parameters,
    online_frontend,
    pick,
    section,
)
from safeasr.families.paraformer_streaming.network import StepDecoderProgram, StepEncoderProgram
from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.precision import narrow
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["build_networks", "export"]

_KIND = "streaming Paraformer"


def build_networks(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], input_size: int, vocab_size: int
) -> tuple[StepEncoderProgram, StepDecoderProgram]:
    """The two networks of a streaming Paraformer, with the checkpoint's weights in float32."""
    check_paraformer(_KIND, config, encoder="SANMEncoderChunkOpt", input_layers=("pe_online",))
    encoder_conf, decoder_conf, predictor_conf = (
        section(config, name) for name in ("encoder_conf", "decoder_conf", "predictor_conf")
    )
    blocks = int(decoder_conf.get("num_blocks", 6))
    kernel = int(decoder_conf.get("kernel_size", 11))
    shift = decoder_conf.get("sanm_shfit", 0)
    if int(decoder_conf.get("att_layer_num", 6)) < blocks:
        raise UnsupportedModelError(
            "decoder_conf.att_layer_num < num_blocks is not supported for streaming Paraformer: "
            "such layers look at tokens to come"
        )
    if kernel % 2 == 0 or (shift is not None and int(shift) != (kernel - 1) // 2):
        raise UnsupportedModelError(
            f"decoder_conf.sanm_shfit={shift} with kernel_size={kernel} is not supported for "
            f"streaming Paraformer: the decoder's memory would look at tokens to come"
        )
    with torch.device("meta"):
        encoder = SanmEncoder(input_size, **pick(encoder_conf, *ENCODER_KEYS))
        predictor = CifWeights(**pick(predictor_conf, *PREDICTOR_KEYS))
        decoder = ParaformerDecoder(
            vocab_size,
            encoder.size,
            kernel_size=kernel,
            sanm_shfit=None,
            att_layer_num=blocks,
            **pick(decoder_conf, *DECODER_KEYS),
        )
    load_parameters(encoder, weights, "encoder.")
    load_parameters(predictor, weights, "predictor.")
    load_parameters(decoder, weights, "decoder.")
    return StepEncoderProgram(encoder, predictor), StepDecoderProgram(decoder)


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts and decoder.ts."""
    tokens = read_vocabulary(model.tokens)
    frontend = online_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    encoder, decoder = build_networks(
        model.config, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
    )
    for program, file in ((encoder, "encoder.ts"), (decoder, "decoder.ts")):
        narrow(program, precision)
        save_program(program, out / file)
    conf = dict(model.config.get("model_conf") or {})
    predictor = dict(model.config["predictor_conf"])
    layers = len(encoder.encoder.encoders) + 1
    return Bundle(
        path=out,
        family="paraformer_streaming",
        model_class=model.model_class,
        programs={"encoder": "encoder.ts", "decoder": "decoder.ts"},
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={
            "blank_id": int(conf.get("blank_id", 0)),
            "sos": int(conf.get("sos", 1)),
            "eos": int(conf.get("eos", 2)),
            "shapes": {
                "encoder_layers": layers,
                "encoder_size": encoder.encoder.size,
                "decoder_layers": len(decoder.decoder.decoders),
                "decoder_kernel": decoder.decoder.kernel_size,
                "cif_left": int(predictor["l_order"]),
                "cif_right": int(predictor["r_order"]),
                "tail_threshold": float(predictor.get("tail_threshold", 0.0)),
                "feature_scale": encoder.encoder.scale,
                "narrow": precision != "float32",
                "half": precision == "float16",
            },
        },
        signatures={
            "encoder": {
                "inputs": [
                    "features (new rows, F) float32",
                    "positions (new rows) float32",
                    "past (old rows, F) float32",
                    "order (rows) int64",
                    "offsets (S + 1) int64",
                    "neighbours (rows, span) int64",
                    "caches S x (layers, 2, capacity, D) float32, bfloat16 or float16",
                    "spans (S, 3) int64",
                ],
                "outputs": [
                    "hidden (rows, D) float32",
                    "alphas (rows) float32",
                    "embedded (rows, F) float32",
                ],
            },
            "decoder": {
                "inputs": [
                    "embeddings (tokens, D) float32",
                    "offsets (S + 1) int64",
                    "hidden (rows, D) float32",
                    "hidden offsets (S + 1) int64",
                    "caches S x (layers, 2, capacity, D) float32, bfloat16 or float16",
                    "spans (S, 3) int64",
                    "past S x (layers, kernel - 1, D) float32",
                    "next S x (layers, kernel - 1, D) float32",
                ],
                "outputs": ["token ids (tokens) int64"],
            },
        },
    )
