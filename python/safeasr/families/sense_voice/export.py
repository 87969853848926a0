"""SenseVoice's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.errors import ExportError
from safeasr.families.checkpoints import load_parameters, offline_frontend, pick, require, section
from safeasr.families.sense_voice.network import (
    UNKNOWN_EMOTION,
    CtcHead,
    SenseVoiceEncoder,
    SenseVoiceNetwork,
)
from safeasr.nets.precision import narrow
from safeasr.text.pieces import Pieces

__all__ = ["build_network", "export"]

_KIND = "SenseVoiceSmall"
_TOKENIZER = "bpe.model"


def build_network(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], input_size: int, vocab_size: int
) -> SenseVoiceNetwork:
    """The network, with the checkpoint's weights in float32.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    require(_KIND, config, "encoder", "SenseVoiceEncoderSmall")
    require(_KIND, config, "normalize", None, "null")
    require(_KIND, dict(config.get("ctc_conf") or {}), "extra_linear", True)
    conf = section(config, "encoder_conf")
    with torch.device("meta"):
        encoder = SenseVoiceEncoder(
            input_size,
            **pick(
                conf,
                "output_size",
                "attention_heads",
                "linear_units",
                "num_blocks",
                "tp_blocks",
                "kernel_size",
                "sanm_shfit",
            ),
        )
        size = int(conf.get("output_size", 256))
        head = CtcHead(size, vocab_size, UNKNOWN_EMOTION)
        network = SenseVoiceNetwork(encoder, head, input_size)
    load_parameters(network, weights, "")
    return network


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts and the SentencePiece model."""
    require(_KIND, model.config, "tokenizer", "SentencepiecesTokenizer")
    tokenizer = model.file("bpemodel", "bpe.model", what="SentencePiece model")
    try:
        vocab_size = len(Pieces(tokenizer))
    except ValueError as error:
        raise ExportError(str(error)) from error
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    network = build_network(
        model.config, weights, frontend["n_mels"] * frontend["lfr_m"], vocab_size
    )
    narrow(network, precision)
    save_program(network, out / "model.ts")
    shutil.copyfile(tokenizer, out / _TOKENIZER)
    conf = dict(model.config.get("model_conf") or {})
    return Bundle(
        path=out,
        family="sense_voice",
        model_class=model.model_class,
        programs={"model": "model.ts"},
        assets={"tokenizer": _TOKENIZER},
        frontend=frontend,
        tokens=[],
        precision=precision,
        decoding={"blank_id": int(conf.get("blank_id", 0)), "vocab_size": vocab_size},
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
