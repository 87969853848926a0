"""ContextualParaformer's networks from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.settings import Settings
from safeasr.bundles.tables import check_vocabulary
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import (
    check_paraformer,
    decoder_arguments,
    load_parameters,
    paraformer_decoding,
    plain,
    refuse_leftovers,
    require,
)
from safeasr.families.contextual_paraformer.network import ContextualDecoderProgram
from safeasr.families.frontends import offline_frontend
from safeasr.families.hotword_lists import (
    build_bias_encoder,
    check_inner_size,
    copy_seg_dict,
    hotword_settings,
)
from safeasr.families.paraformer.export import (
    SIGNATURES,
    build_encoder,
    build_predictor,
    save_narrowed,
)
from safeasr.families.paraformer.network import EncoderProgram
from safeasr.nets.contextual_decoder import ContextualDecoder
from safeasr.nets.ragged_lstm import LSTM_UNITS

__all__ = ["export"]

_KIND = "ContextualParaformer"
_SIGNATURES = {
    **SIGNATURES,
    "decoder": {
        "inputs": [
            *SIGNATURES["decoder"]["inputs"],
            "words (words, D) float32",
            "rows of words (s) int64",
            "offsets into them (B + 1) int64",
            "scales (tokens) float32",
        ],
        "outputs": ["token ids (tokens) int64"],
    },
    "bias_encoder": {
        "inputs": ["ids (pieces) int64", "offsets (words + 1) int64", "last (words) int64"],
        "outputs": ["words (words, D) float32"],
    },
}


def _check(config: Settings) -> None:
    check_paraformer(
        _KIND,
        config,
        encoder="SANMEncoder",
        input_layers=("pe", None),
        decoder="ContextualParaformerDecoder",
    )
    require(_KIND, config.section("model_conf", optional=True), "bias_encoder_type", "lstm")


def _decoder(
    config: Settings, weights: Mapping[str, Tensor], taken: set[str], vocab_size: int, size: int
) -> ContextualDecoder:
    conf = decoder_arguments(config.section("decoder_conf"), size)
    with torch.device("meta"):
        decoder = ContextualDecoder(vocab_size, size, **conf)
    # In the checkpoint it is a convolution over one row.
    name = "decoder.bias_output.weight"
    flat = {name: plain(name, weights[name]).squeeze(-1)} if name in weights else {}
    taken |= load_parameters(decoder, {**weights, **flat}, "decoder.")
    return decoder


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts, decoder.ts and bias_encoder.ts."""
    config = model.settings
    _check(config)
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    taken: set[str] = set()
    check_vocabulary(model.tokens, tokens, weights.get("decoder.output_layer.weight"))
    encoder = build_encoder(config, weights, taken, frontend["n_mels"] * frontend["lfr_m"])
    size = encoder.size
    check_inner_size(_KIND, config, size)
    if size % LSTM_UNITS:
        raise UnsupportedModelError(
            f"encoder_conf.output_size={size} is not supported for {_KIND}: expected a multiple of "
            f"{LSTM_UNITS}"
        )
    conf = config.section("model_conf", optional=True)
    own = conf.flag("use_decoder_embedding", False)
    programs = {
        "encoder": EncoderProgram(encoder, build_predictor(config, weights, taken, size)),
        "decoder": ContextualDecoderProgram(_decoder(config, weights, taken, len(tokens), size)),
        "bias_encoder": build_bias_encoder(
            weights,
            taken,
            len(tokens),
            size,
            layers=1,
            embedding="decoder.embed.0." if own else "bias_embed.",
        ),
    }
    # FunASR's class always has an embedding of its own, also where the decoder's is used.
    refuse_leftovers(weights, taken | {"bias_embed.weight"})
    ids, integration = paraformer_decoding(config)
    return Bundle(
        path=out,
        family="contextual_paraformer",
        model_class=model.model_class,
        programs=save_narrowed(programs, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={**ids, **integration, **hotword_settings(config, tokens)},
        assets=copy_seg_dict(model, out),
        signatures=_SIGNATURES,
    )
