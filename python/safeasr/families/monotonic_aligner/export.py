"""MonotonicAligner's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.settings import Settings
from safeasr.bundles.tables import check_vocabulary
from safeasr.families.checkpoints import (
    check_sanm_encoder,
    predictor_arguments,
    refuse_leftovers,
    require,
    unknown_token,
)
from safeasr.families.frontends import offline_frontend
from safeasr.families.lexicons import LEXICONS, copy_lexicon
from safeasr.families.monotonic_aligner.network import AlignerProgram
from safeasr.families.paraformer.export import build_encoder, save_narrowed
from safeasr.families.timed_head import UPSAMPLED, build_timed_head, check_timed_head

__all__ = ["build_network", "export"]

_KIND: Final = "MonotonicAligner"
#: The predictor's first integral, which counts tokens: that of a text that is known is known too.
_UNUSED: Final = ("predictor.cif_conv1d.", "predictor.cif_output.")


def build_network(
    config: Mapping[str, object] | Settings, weights: Mapping[str, Tensor], input_size: int
) -> AlignerProgram:
    """The network, with the checkpoint's weights in float32.

    Args:
        config: config.yaml.
        weights: the checkpoint.
        input_size: width of the features.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit, or a setting makes no sense.
    """
    config = Settings.of(config)
    config.section("model_conf", optional=True)  # only training heeds what it holds
    check_sanm_encoder(_KIND, config, encoder="SANMEncoder", input_layers=("pe", None))
    require(_KIND, config, "predictor", "CifPredictorV3")
    require(_KIND, config.section("predictor_conf"), "threshold", 1.0, 1)
    check_timed_head(_KIND, config)
    taken: set[str] = set()
    encoder = build_encoder(config, weights, taken, input_size)
    predictor_arguments(config.section("predictor_conf"), encoder.size)
    head = build_timed_head(_KIND, config, weights, taken, encoder.size)
    refuse_leftovers(weights, taken | {name for name in weights if name.startswith(_UNUSED)})
    return AlignerProgram(encoder, head)


def _pieces(model: ModelDir, out: Path) -> dict[str, str]:
    """The bundle's assets: words and their pieces, if the tokenizer is told of such a file."""
    places = (model.overrides, model.metas, model.config)
    told = {key for place in places for key in place.get("tokenizer_conf") or ()}
    key = next((one for one in LEXICONS if one in told), None)
    file = None if key is None else model.file(key, what="words and their pieces")
    return copy_lexicon(file, out)


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts, and the words and their pieces if there are any."""
    config = model.settings
    require(_KIND, config, "tokenizer", "CharTokenizer")
    tokenizer = config.section("tokenizer_conf", optional=True)
    require(_KIND, tokenizer, "non_linguistic_symbols", None, [])
    tokens = read_vocabulary(model.tokens)
    check_vocabulary(model.tokens, tokens, None)
    unknown = unknown_token(config, tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    network = build_network(config, weights, frontend["n_mels"] * frontend["lfr_m"])
    return Bundle(
        path=out,
        family="monotonic_aligner",
        model_class=model.model_class,
        programs=save_narrowed({"model": network}, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={"unknown": unknown},
        assets=_pieces(model, out),
        signatures={
            "model": {
                "inputs": [
                    "features (rows, F) float32",
                    "positions (rows) float32",
                    "offsets (B + 1) int64",
                ],
                "outputs": [f"alphas of the head (rows, {UPSAMPLED}) float32"],
            },
        },
    )
