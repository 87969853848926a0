"""Hybrids of CTC and attention from FunASR's checkpoints, and their bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.bundles.tables import check_vocabulary
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import load_parameters, refuse_leftovers, require, special_tokens
from safeasr.families.ctc_attention.network import HybridEncoder
from safeasr.families.encoders import INPUTS, BuiltEncoder, build_encoder
from safeasr.families.frontends import offline_frontend
from safeasr.families.paraformer.export import save_narrowed
from safeasr.nets.ctc_head import CtcHead
from safeasr.nets.fsmn_decoder import FsmnDecoder
from safeasr.nets.transformer_decoder import DecoderMemory, TransformerDecoder

__all__ = ["Networks", "build_networks", "export"]

#: What the programs take and give, for readers of bundles.
SIGNATURES: Final[dict[str, dict[str, list[str]]]] = {
    "encoder": {
        "inputs": INPUTS,
        "outputs": ["log probabilities (rows, V) float32", "memory (layers, 2, rows, D)"],
    },
    "decoder": {
        "inputs": [
            "tokens (n) int64",
            "numbers (n) float32",
            "offsets (hypotheses + 1) int64",
            "caches: (layers, 2, capacity, D) each, or past: (layers, kernel - 1, D) each",
            "spans (hypotheses, 3 or 6) int64, or next: as past",
            "groups (B + 1) int64",
            "memories: (layers, 2, rows, D) of each utterance",
            "spans of memories (B, 3 or 6) int64",
        ],
        "outputs": ["log probabilities (n, V) float32"],
    },
}


@dataclass(frozen=True)
class Networks:
    """The programs of a model, in float32.

    Attributes:
        encoder: from features to what the search needs of the sound.
        decoder: a step of hypotheses, or None.
        built: the encoder that is a part of ``encoder``.
        ctc_weight: of training. At 1 there is no decoder, at 0 no CTC.
    """

    encoder: HybridEncoder
    decoder: TransformerDecoder | FsmnDecoder | None
    built: BuiltEncoder
    ctc_weight: float


def _decoder(
    kind: str,
    config: Settings,
    weights: Mapping[str, Tensor],
    taken: set[str],
    vocab_size: int,
    size: int,
) -> TransformerDecoder | FsmnDecoder:
    require(kind, config, "decoder", "TransformerDecoder", "FsmnDecoder")
    conf = config.section("decoder_conf")
    for key, allowed in (
        ("normalize_before", True),
        ("concat_after", False),
        ("use_output_layer", True),
        ("input_layer", "embed"),
        ("concat_embeds", False),
    ):
        require(kind, conf, key, allowed)
    require(kind, conf, "pos_enc_class", None)
    require(kind, conf, "attention_dim", None, size)
    limits = {
        "attention_heads": {"least": 1, "most": 1024},
        "linear_units": {"least": 1},
        "num_blocks": {"least": 1, "most": MOST_LAYERS},
    }
    by_filters = config.text("decoder") == "FsmnDecoder"
    if by_filters:
        limits["att_layer_num"] = {"least": 1, "most": MOST_LAYERS}
        limits["kernel_size"] = {"least": 3, "most": 999}
    sizes = {key: conf.whole(key, **given) for key, given in limits.items() if key in conf}
    if size % sizes.get("attention_heads", 4):
        raise conf.wrong("attention_heads", f"a divisor of the encoder's size {size}")
    if by_filters:
        kernel = sizes.get("kernel_size", 21)
        if kernel % 2 == 0:
            raise conf.wrong("kernel_size", "an odd number")
        # Others see tokens to come, which no search has.
        require(kind, conf, "sanm_shfit", None, (kernel - 1) // 2)
    decoder: TransformerDecoder | FsmnDecoder
    with torch.device("meta"):
        make = FsmnDecoder if by_filters else TransformerDecoder
        decoder = make(vocab_size, size, **sizes)
    taken |= load_parameters(decoder, weights, "decoder.")
    decoder.fold()
    return decoder


def build_networks(
    kind: str,
    config: Mapping[str, Any] | Settings,
    weights: Mapping[str, Tensor],
    input_size: int,
    vocab_size: int,
) -> Networks:
    """The networks, with the checkpoint's weights.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    config = Settings.of(config)
    require(kind, config, "normalize", None, "null")
    require(kind, config.section("ctc_conf", optional=True), "extra_linear", True)
    conf = config.section("model_conf", optional=True)
    require(kind, conf, "share_embedding", False)
    ctc_weight = conf.number("ctc_weight", 0.5, least=0.0, most=1.0)
    if "decoder" not in config and ctc_weight < 1.0:
        raise UnsupportedModelError(f"a {kind} without a decoder is not supported")
    taken: set[str] = set()
    built = build_encoder(kind, config, weights, taken, input_size)
    ctc, decoder = None, None
    if ctc_weight > 0.0:
        with torch.device("meta"):
            ctc = CtcHead(built.size, vocab_size)
        taken |= load_parameters(ctc, weights, "ctc.")
    if ctc_weight < 1.0:
        decoder = _decoder(kind, config, weights, taken, vocab_size, built.size)
    refuse_leftovers(weights, taken)
    memory = None if decoder is None else DecoderMemory(decoder.attentions(), built.size)
    return Networks(HybridEncoder(built.network, ctc, memory), decoder, built, ctc_weight)


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts and, if there is a decoder, decoder.ts."""
    kind = model.model_class
    require(kind, model.config, "tokenizer", "CharTokenizer")
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(kind, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    scores = weights.get("ctc.ctc_lo.weight", weights.get("decoder.output_layer.weight"))
    check_vocabulary(model.tokens, tokens, scores)
    networks = build_networks(
        kind, model.settings, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
    )
    programs: dict[str, nn.Module] = {"encoder": networks.encoder}
    if networks.decoder is not None:
        programs["decoder"] = networks.decoder
    return Bundle(
        path=out,
        family="ctc_attention",
        model_class=kind,
        programs=save_narrowed(programs, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={
            **special_tokens(model.settings, most=len(tokens) - 1),
            "ctc_weight": networks.ctc_weight,
            "filters": list(networks.decoder.filters()) if networks.decoder else [0, 0, 0],
            **networks.built.settings(),
        },
        signatures={name: SIGNATURES[name] for name in programs},
    )
