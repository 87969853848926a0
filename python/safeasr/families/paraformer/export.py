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
from safeasr.bundles.settings import Settings
from safeasr.bundles.tables import check_vocabulary
from safeasr.families.checkpoints import (
    check_paraformer,
    decoder_arguments,
    encoder_arguments,
    load_parameters,
    paraformer_decoding,
    predictor_arguments,
    refuse_leftovers,
)
from safeasr.families.frontends import offline_frontend
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
    config: Settings, weights: Mapping[str, Tensor], taken: set[str], input_size: int
) -> SanmEncoder:
    """The encoder of an offline Paraformer, with the checkpoint's weights in float32.

    Args:
        config: config.yaml, after :func:`safeasr.families.checkpoints.check_paraformer`.
        weights: the checkpoint.
        taken: gets the names of the parameters that it takes.
        input_size: width of the features.
    """
    conf = config.section("encoder_conf")
    with torch.device("meta"):
        encoder = SanmEncoder(
            input_size, input_layer=conf.values["input_layer"], **encoder_arguments(conf)
        )
    taken |= load_parameters(encoder, weights, "encoder.")
    return encoder


def build_predictor(
    config: Settings, weights: Mapping[str, Tensor], taken: set[str], size: int
) -> CifWeights:
    """The predictor of an offline Paraformer, as far as tokens go; ``size`` is the encoder's."""
    with torch.device("meta"):
        predictor = CifWeights(**predictor_arguments(config.section("predictor_conf"), size))
    taken |= load_parameters(predictor, weights, "predictor.")
    return predictor


def build_decoder(
    config: Settings, weights: Mapping[str, Tensor], taken: set[str], vocab_size: int, size: int
) -> ParaformerDecoder:
    """The decoder of an offline Paraformer; ``size`` is the encoder's."""
    with torch.device("meta"):
        decoder = ParaformerDecoder(
            vocab_size, size, **decoder_arguments(config.section("decoder_conf"), size)
        )
    taken |= load_parameters(decoder, weights, "decoder.")
    return decoder


def save_narrowed(programs: Mapping[str, nn.Module], out: Path, precision: str) -> dict[str, str]:
    """Write programs in a precision, each as ``<name>.ts``; returns their files."""
    files = {name: f"{name}.ts" for name in programs}
    for name, program in programs.items():
        narrow(program, precision)
        save_program(program, out / files[name])
    return files


def build_networks(
    config: Mapping[str, Any] | Settings,
    weights: Mapping[str, Tensor],
    input_size: int,
    vocab_size: int,
) -> tuple[EncoderProgram, DecoderProgram]:
    """The two networks of a Paraformer, with the checkpoint's weights in float32."""
    config = Settings.of(config)
    check_paraformer(_KIND, config, encoder="SANMEncoder", input_layers=("pe", None))
    taken: set[str] = set()
    encoder = build_encoder(config, weights, taken, input_size)
    predictor = build_predictor(config, weights, taken, encoder.size)
    decoder = build_decoder(config, weights, taken, vocab_size, encoder.size)
    refuse_leftovers(weights, taken)
    return EncoderProgram(encoder, predictor), DecoderProgram(decoder)


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
    return Bundle(
        path=out,
        family="paraformer",
        model_class=model.model_class,
        programs=save_narrowed({"encoder": encoder, "decoder": decoder}, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={**ids, **integration},
        signatures=SIGNATURES,
    )
