"""SenseVoice's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.damage import what_it_is_instead
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.bundles.settings import Settings
from safeasr.errors import ExportError
from safeasr.families.checkpoints import (
    encoder_arguments,
    load_parameters,
    refuse_leftovers,
    require,
)
from safeasr.families.frontends import offline_frontend
from safeasr.families.sense_voice.network import (
    UNKNOWN_EMOTION,
    CtcHead,
    SenseVoiceNetwork,
)
from safeasr.nets.precision import narrow
from safeasr.nets.sense_voice_encoder import SenseVoiceEncoder
from safeasr.text.pieces import Pieces

__all__ = ["build_network", "export"]

_KIND = "SenseVoiceSmall"
_TOKENIZER = "bpe.model"


def build_network(
    config: Mapping[str, Any] | Settings,
    weights: Mapping[str, Tensor],
    input_size: int,
    vocab_size: int,
) -> SenseVoiceNetwork:
    """The network, with the checkpoint's weights in float32.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    config = Settings.of(config)
    require(_KIND, config, "encoder", "SenseVoiceEncoderSmall")
    require(_KIND, config, "normalize", None, "null")
    require(_KIND, config.section("ctc_conf", optional=True), "extra_linear", True)
    sizes = encoder_arguments(config.section("encoder_conf"), "tp_blocks")
    with torch.device("meta"):
        encoder = SenseVoiceEncoder(input_size, **sizes)
        head = CtcHead(sizes.get("output_size", 256), vocab_size, UNKNOWN_EMOTION)
        network = SenseVoiceNetwork(encoder, head, input_size)
    refuse_leftovers(weights, load_parameters(network, weights, ""))
    return network


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts and the SentencePiece model."""
    require(_KIND, model.config, "tokenizer", "SentencepiecesTokenizer")
    tokenizer = model.file("bpemodel", "bpe.model", what="SentencePiece model")
    try:
        instead = what_it_is_instead(tokenizer)
        if instead is not None:
            raise ValueError(f"{tokenizer} is no SentencePiece model: {instead}")
        vocab_size = len(Pieces(tokenizer))
    except (ValueError, OSError) as error:
        raise ExportError(str(error)) from error
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    network = build_network(
        model.settings, weights, frontend["n_mels"] * frontend["lfr_m"], vocab_size
    )
    narrow(network, precision)
    save_program(network, out / "model.ts")
    shutil.copyfile(tokenizer, out / _TOKENIZER)
    conf = model.settings.section("model_conf", optional=True)
    blank = conf.whole("blank_id", 0, most=vocab_size - 1)
    return Bundle(
        path=out,
        family="sense_voice",
        model_class=model.model_class,
        programs={"model": "model.ts"},
        assets={"tokenizer": _TOKENIZER},
        frontend=frontend,
        tokens=[],
        precision=precision,
        decoding={"blank_id": blank, "vocab_size": vocab_size},
        signatures={
            "model": {
                "inputs": [
                    "features (frames, F) float32",
                    "queries (4 B) int64",
                    "order (rows) int64",
                    "positions (rows) float32",
                    "offsets (B + 1) int64",
                    "banned (rows) bool",
                    "wanted (rows) bool",
                ],
                "outputs": ["token ids (rows) int64", "log probabilities (M, V) float32"],
            },
        },
    )
