"""BiCifParaformer's networks from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.settings import Settings
from safeasr.bundles.tables import check_vocabulary
from safeasr.families.bicif_paraformer.network import TimedEncoderProgram
from safeasr.families.checkpoints import (
    check_paraformer,
    paraformer_decoding,
    refuse_leftovers,
)
from safeasr.families.frontends import offline_frontend
from safeasr.families.paraformer.export import (
    SIGNATURES,
    build_decoder,
    build_encoder,
    build_predictor,
    save_narrowed,
)
from safeasr.families.paraformer.network import DecoderProgram
from safeasr.families.timed_head import UPSAMPLED, build_timed_head, check_timed_head

__all__ = ["TIMED_SIGNATURES", "build_timed_encoder", "export"]

_KIND = "BiCifParaformer"

#: What the programs take and give, for readers of bundles.
TIMED_SIGNATURES = {
    **SIGNATURES,
    "encoder": {
        **SIGNATURES["encoder"],
        "outputs": [
            *SIGNATURES["encoder"]["outputs"],
            f"alphas of the head (rows * {UPSAMPLED}) float32",
        ],
    },
}


def build_timed_encoder(
    kind: str,
    config: Settings,
    weights: Mapping[str, Tensor],
    taken: set[str],
    input_size: int,
) -> TimedEncoderProgram:
    """Encoder, predictor and the head that tells times, with the checkpoint's weights.

    Args:
        kind: for messages.
        config: config.yaml.
        weights: the checkpoint.
        taken: gets the names of the parameters that these take.
        input_size: width of the features.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit, or a setting makes no sense.
    """
    check_paraformer(
        kind,
        config,
        encoder="SANMEncoder",
        input_layers=("pe", None),
        predictor="CifPredictorV3",
    )
    check_timed_head(kind, config)
    encoder = build_encoder(config, weights, taken, input_size)
    predictor = build_predictor(config, weights, taken, encoder.size)
    head = build_timed_head(kind, config, weights, taken, encoder.size)
    return TimedEncoderProgram(encoder, predictor, head)


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write encoder.ts and decoder.ts."""
    tokens = read_vocabulary(model.tokens)
    frontend = offline_frontend(_KIND, model)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    check_vocabulary(model.tokens, tokens, weights.get("decoder.output_layer.weight"))
    config = model.settings
    taken: set[str] = set()
    encoder = build_timed_encoder(
        _KIND, config, weights, taken, frontend["n_mels"] * frontend["lfr_m"]
    )
    decoder = build_decoder(config, weights, taken, len(tokens), encoder.encoder.size)
    refuse_leftovers(weights, taken)
    programs = {"encoder": encoder, "decoder": DecoderProgram(decoder)}
    ids, integration = paraformer_decoding(config)
    return Bundle(
        path=out,
        family="bicif_paraformer",
        model_class=model.model_class,
        programs=save_narrowed(programs, out, precision),
        frontend=frontend,
        tokens=tokens,
        precision=precision,
        decoding={**ids, **integration},
        signatures=TIMED_SIGNATURES,
    )
