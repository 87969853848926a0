"""The head of a ``CifPredictorV3``, which tells times: what the families that have it share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from safeasr.bundles.settings import Settings
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import load_parameters, require
from safeasr.nets.ragged_lstm import LSTM_UNITS
from safeasr.nets.upsampled_cif import UpsampledCif, UpsampledParameters

__all__ = ["UPSAMPLED", "build_timed_head", "check_timed_head"]

#: Steps of the head for each row of the encoder. FunASR's rule for times knows no other number.
UPSAMPLED = 3


def check_timed_head(kind: str, config: Settings) -> None:
    """Refuse heads that ours is not."""
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


def build_timed_head(
    kind: str, config: Settings, weights: Mapping[str, Tensor], taken: set[str], size: int
) -> UpsampledCif:
    """The head, with the checkpoint's weights.

    Args:
        kind: for messages.
        config: config.yaml, after :func:`check_timed_head`.
        weights: the checkpoint.
        taken: gets the names of the parameters that it takes.
        size: of the encoder's vectors.

    Raises:
        UnsupportedModelError: if there is no such head for vectors of that size.
        ExportError: if the checkpoint does not fit, or a setting makes no sense.
    """
    if size % LSTM_UNITS:
        raise UnsupportedModelError(
            f"encoder_conf.output_size={size} is not supported for {kind}: expected a "
            f"multiple of {LSTM_UNITS}"
        )
    conf = config.section("predictor_conf")
    with torch.device("meta"):
        given = UpsampledParameters(size, UPSAMPLED)
    taken |= load_parameters(given, weights, "predictor.")
    return UpsampledCif(
        given, conf.number("smooth_factor2", 1.0), conf.number("noise_threshold2", 0.0)
    )
