"""BiCifParaformer's networks from FunASR's checkpoint, and its bundle."""

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
from safeasr.families.bicif_paraformer.network import TimedEncoderProgram
from safeasr.families.checkpoints import (
    check_paraformer,
    load_parameters,
    paraformer_decoding,
    refuse_leftovers,
    require,
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
from safeasr.nets.ragged_lstm import LSTM_UNITS
from safeasr.nets.upsampled_cif import UpsampledCif, UpsampledParameters

__all__ = ["TIMED_SIGNATURES", "UPSAMPLED", "build_timed_encoder", "check_timed", "export"]

_KIND = "BiCifParaformer"
#: Steps of the head for each row of the encoder. FunASR's rule for times knows no other number.
UPSAMPLED = 3

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


def check_timed(kind: str, config: Settings) -> None:
    """Refuse what a Paraformer with a ``CifPredictorV3`` may not have here."""
    check_paraformer(
        kind,
        config,
        encoder="SANMEncoder",
        input_layers=("pe", None),
        predictor="CifPredictorV3",
    )
    # FunASR's defaults, where the configuration is silent, are others than these.
    conf = {
        "upsample_times": 5,
        "upsample_type": "cnn",
        "use_cif1_cnn": True,
        **config.section("predictor_conf").values,
    }
    require(kind, conf, "upsample_times", UPSAMPLED)
    require(kind, conf, "upsample_type", "cnn_blstm")
    require(kind, conf, "use_cif1_cnn", False)


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
    check_timed(kind, config)
    encoder = build_encoder(config, weights, taken, input_size)
    if encoder.size % LSTM_UNITS:
        raise UnsupportedModelError(
            f"encoder_conf.output_size={encoder.size} is not supported for {kind}: expected a "
            f"multiple of {LSTM_UNITS}"
        )
    predictor = build_predictor(config, weights, taken, encoder.size)
    conf = config.section("predictor_conf")
    with torch.device("meta"):
        given = UpsampledParameters(encoder.size, UPSAMPLED)
    taken |= load_parameters(given, weights, "predictor.")
    head = UpsampledCif(
        given, conf.number("smooth_factor2", 1.0), conf.number("noise_threshold2", 0.0)
    )
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
