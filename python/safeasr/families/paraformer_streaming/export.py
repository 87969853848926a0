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
from safeasr.bundles.settings import Settings
from safeasr.bundles.tables import check_vocabulary
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import (
    check_paraformer,
    decoder_arguments,
    encoder_arguments,
    load_parameters,
    paraformer_decoding,
    predictor_arguments,
    refuse_leftovers,
)
from safeasr.families.frontends import online_frontend
from safeasr.families.paraformer_streaming.network import StepDecoderProgram, StepEncoderProgram
from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.precision import narrow
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["build_networks", "export"]

_KIND = "streaming Paraformer"


def build_networks(
    config: Mapping[str, Any] | Settings,
    weights: Mapping[str, Tensor],
    input_size: int,
    vocab_size: int,
) -> tuple[StepEncoderProgram, StepDecoderProgram]:
    """The two networks of a streaming Paraformer, with the checkpoint's weights in float32."""
    config = Settings.of(config)
    check_paraformer(_KIND, config, encoder="SANMEncoderChunkOpt", input_layers=("pe_online",))
    encoder_sizes = encoder_arguments(config.section("encoder_conf"))
    hidden = encoder_sizes.get("output_size", 256)
    decoder_sizes = decoder_arguments(config.section("decoder_conf"), hidden)
    blocks, kernel = decoder_sizes.get("num_blocks", 6), decoder_sizes.get("kernel_size", 11)
    shift = decoder_sizes.get("sanm_shfit", 0)
    if decoder_sizes.get("att_layer_num", 6) < blocks:
        raise UnsupportedModelError(
            "decoder_conf.att_layer_num < num_blocks is not supported for streaming Paraformer: "
            "such layers look at tokens to come"
        )
    if kernel % 2 == 0 or (shift is not None and shift != (kernel - 1) // 2):
        raise UnsupportedModelError(
            f"decoder_conf.sanm_shfit={shift} with kernel_size={kernel} is not supported for "
            f"streaming Paraformer: the decoder's memory would look at tokens to come"
        )
    with torch.device("meta"):
        encoder = SanmEncoder(input_size, **encoder_sizes)
        predictor = CifWeights(**predictor_arguments(config.section("predictor_conf"), hidden))
        decoder = ParaformerDecoder(
            vocab_size,
            encoder.size,
            **{
                **decoder_sizes,
                "kernel_size": kernel,
                "sanm_shfit": None,
                "num_blocks": blocks,
                "att_layer_num": blocks,
            },
        )
    taken = load_parameters(encoder, weights, "encoder.")
    taken |= load_parameters(predictor, weights, "predictor.")
    taken |= load_parameters(decoder, weights, "decoder.")
    refuse_leftovers(weights, taken)
    return StepEncoderProgram(encoder, predictor), StepDecoderProgram(decoder)


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts and decoder.ts."""
    tokens = read_vocabulary(model.tokens)
    frontend = online_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    check_vocabulary(model.tokens, tokens, weights.get("decoder.output_layer.weight"))
    encoder, decoder = build_networks(
        model.settings, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
    )
    ids, integration = paraformer_decoding(model.settings)
    del integration["tail_mask"]  # streams have no end to mask
    for program, file in ((encoder, "encoder.ts"), (decoder, "decoder.ts")):
        narrow(program, precision)
        save_program(program, out / file)
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
            **ids,
            "shapes": {
                "encoder_layers": layers,
                "encoder_size": encoder.encoder.size,
                "decoder_layers": len(decoder.decoder.decoders),
                "decoder_kernel": decoder.decoder.kernel_size,
                **integration,
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
