"""SanmKWSStreaming's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from pathlib import Path

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.families.frontends import online_frontend
from safeasr.families.keyword_lists import (
    LEXICON,
    OUTPUTS,
    keyword_settings,
    lexicon_of,
    read_tokens,
)
from safeasr.families.lexicons import copy_lexicon
from safeasr.families.sanm_kws.export import build_parts
from safeasr.families.sanm_kws_streaming.network import SanmKwsWindow
from safeasr.nets.precision import narrow

__all__ = ["export"]

_KIND = "SanmKWSStreaming"


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write window.ts, and the pieces of words if there are any."""
    tokens = read_tokens(model.tokens)
    frontend = online_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    encoder, candidates = build_parts(
        _KIND,
        "SANMEncoderChunkOpt",
        ("pe_online",),
        model.settings,
        weights,
        input_size=frontend["n_mels"] * frontend["lfr_m"],
        vocab_size=len(tokens),
    )
    network = SanmKwsWindow(encoder, candidates)
    narrow(network, precision)
    save_program(network, out / "window.ts")
    return Bundle(
        path=out,
        family="sanm_kws_streaming",
        model_class=model.model_class,
        programs={"window": "window.ts"},
        assets=copy_lexicon(lexicon_of(model), out, LEXICON),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={
            **keyword_settings(model),
            "shapes": {
                "layers": len(encoder.encoders) + 1,
                "size": encoder.size,
                "candidates": candidates.count,
                "narrow": precision != "float32",
                "half": precision == "float16",
            },
        },
        signatures={
            "window": {
                "inputs": [
                    "features (new rows, F) float32",
                    "positions (new rows) float32",
                    "past (old rows, F) float32",
                    "order (rows) int64",
                    "offsets (S + 1) int64",
                    "caches S x (layers, 2, capacity, D) float32, bfloat16 or float16",
                    "spans (S, 3) int64",
                ],
                "outputs": [*OUTPUTS, "embedded (rows, F) float32"],
            },
        },
    )
