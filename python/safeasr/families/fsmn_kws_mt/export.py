"""FsmnKWSMT's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

import json
from pathlib import Path

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.errors import ExportError
from safeasr.families.checkpoints import refuse_leftovers
from safeasr.families.frontends import offline_frontend
from safeasr.families.fsmn_kws.build import build_head, build_trunk
from safeasr.families.fsmn_kws.network import FsmnKwsTwoHeads
from safeasr.families.keyword_lists import (
    INPUTS,
    LEXICON,
    LEXICON2,
    OUTPUTS,
    TOKENS2,
    check_scores,
    keyword_settings,
    read_tokens,
)
from safeasr.families.lexicons import copy_lexicon
from safeasr.nets.precision import narrow

__all__ = ["FILES", "export"]

_KIND = "FsmnKWSMT"
#: FunASR's lists of a file for each head.
FILES = ("token_lists", "seg_dicts")


def _two(model: ModelDir, key: str, *, needed: bool) -> tuple[Path | None, Path | None]:
    found = model.find_all(key)
    if len(found) == 2:
        return found[0], found[1]
    if found or needed:
        raise ExportError(
            f"{model.path}: configuration.json or config.yaml must name two files as {key}, one "
            f"for each head, got {len(found)}"
        )
    return None, None


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts, the second vocabulary, and the pieces of words if there are any."""
    files = _two(model, FILES[0], needed=True)
    lexicons = _two(model, FILES[1], needed=False)
    tokens, tokens2 = (read_tokens(file) for file in files)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    taken: set[str] = set()
    trunk, prepared = build_trunk(
        _KIND, "FSMNMT", model.settings, weights, taken, frontend["n_mels"] * frontend["lfr_m"]
    )
    heads = [
        build_head(model.settings, prepared, taken, len(tokens)),
        build_head(model.settings, prepared, taken, len(tokens2), second=True),
    ]
    refuse_leftovers(prepared, taken)
    for file, known, head in zip(files, (tokens, tokens2), heads, strict=True):
        check_scores(file, known, head.candidates)
    network = FsmnKwsTwoHeads(trunk, *heads)
    narrow(network, precision)
    save_program(network, out / "model.ts")
    (out / TOKENS2).write_text(json.dumps(tokens2, ensure_ascii=False), encoding="utf-8")
    return Bundle(
        path=out,
        family="fsmn_kws_mt",
        model_class=model.model_class,
        programs={"model": "model.ts"},
        assets={
            TOKENS2: TOKENS2,
            **copy_lexicon(lexicons[0], out, LEXICON),
            **copy_lexicon(lexicons[1], out, LEXICON2),
        },
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding=keyword_settings(model),
        signatures={"model": {"inputs": INPUTS, "outputs": [*OUTPUTS, *OUTPUTS]}},
    )
