"""FsmnKWS's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from pathlib import Path

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.families.checkpoints import refuse_leftovers
from safeasr.families.frontends import offline_frontend
from safeasr.families.fsmn_kws.build import build_head, build_trunk
from safeasr.families.fsmn_kws.network import FsmnKwsNetwork
from safeasr.families.keyword_lists import (
    INPUTS,
    LEXICON,
    OUTPUTS,
    check_scores,
    keyword_settings,
    lexicon_of,
    read_tokens,
)
from safeasr.families.lexicons import copy_lexicon
from safeasr.nets.precision import narrow

__all__ = ["export"]

_KIND = "FsmnKWS"


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts, and the pieces of words if there are any."""
    tokens = read_tokens(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    taken: set[str] = set()
    trunk, prepared = build_trunk(
        _KIND, "FSMN", model.settings, weights, taken, frontend["n_mels"] * frontend["lfr_m"]
    )
    head = build_head(model.settings, prepared, taken, len(tokens))
    refuse_leftovers(prepared, taken)
    check_scores(model.tokens, tokens, head.candidates)
    network = FsmnKwsNetwork(trunk, head)
    narrow(network, precision)
    save_program(network, out / "model.ts")
    return Bundle(
        path=out,
        family="fsmn_kws",
        model_class=model.model_class,
        programs={"model": "model.ts"},
        assets=copy_lexicon(lexicon_of(model), out, LEXICON),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding=keyword_settings(model),
        signatures={"model": {"inputs": INPUTS, "outputs": OUTPUTS}},
    )
