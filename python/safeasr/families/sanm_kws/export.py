"""SanmKWS's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.bundles.settings import Settings
from safeasr.families.checkpoints import (
    check_sanm_encoder,
    encoder_arguments,
    load_parameters,
    refuse_leftovers,
    require,
)
from safeasr.families.frontends import offline_frontend
from safeasr.families.keyword_lists import (
    INPUTS,
    LEXICON,
    OUTPUTS,
    keyword_settings,
    lexicon_of,
    read_tokens,
)
from safeasr.families.lexicons import copy_lexicon
from safeasr.families.sanm_kws.network import SanmKwsNetwork
from safeasr.nets.ctc_candidates import CtcCandidates
from safeasr.nets.layers import Linear
from safeasr.nets.precision import narrow
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["build_parts", "export"]

_KIND = "SanmKWS"


def build_parts(
    kind: str,
    encoder_class: str,
    input_layers: tuple[str | None, ...],
    config: Settings,
    weights: Mapping[str, Tensor],
    *,
    input_size: int,
    vocab_size: int,
) -> tuple[SanmEncoder, CtcCandidates]:
    """The encoder and the head, with the checkpoint's weights in float32.

    Args:
        kind: FunASR's class of the model.
        encoder_class: FunASR's class of its encoder.
        input_layers: allowed values of ``encoder_conf.input_layer``.
        config: config.yaml.
        weights: the checkpoint.
        input_size: width of the features.
        vocab_size: tokens.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    check_sanm_encoder(kind, config, encoder=encoder_class, input_layers=input_layers)
    require(kind, config.section("ctc_conf", optional=True), "extra_linear", True)
    conf = config.section("encoder_conf")
    with torch.device("meta"):
        encoder = SanmEncoder(
            input_size, input_layer=conf.values["input_layer"], **encoder_arguments(conf)
        )
        scores = Linear(encoder.size, vocab_size, wide=True)
    taken = load_parameters(encoder, weights, "encoder.")
    taken |= load_parameters(scores, weights, "ctc.ctc_lo.")
    refuse_leftovers(weights, taken)
    return encoder, CtcCandidates(scores)


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts, and the pieces of words if there are any."""
    tokens = read_tokens(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    encoder, candidates = build_parts(
        _KIND,
        "SANMEncoder",
        ("pe", None),
        model.settings,
        weights,
        input_size=frontend["n_mels"] * frontend["lfr_m"],
        vocab_size=len(tokens),
    )
    network = SanmKwsNetwork(encoder, candidates)
    narrow(network, precision)
    save_program(network, out / "model.ts")
    return Bundle(
        path=out,
        family="sanm_kws",
        model_class=model.model_class,
        programs={"model": "model.ts"},
        assets=copy_lexicon(lexicon_of(model), out, LEXICON),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding=keyword_settings(model),
        signatures={"model": {"inputs": INPUTS, "outputs": OUTPUTS}},
    )
