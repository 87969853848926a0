"""Reading FunASR's configurations and checkpoints: what the families share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from safeasr.bundles.model_dir import ModelDir, read_cmvn
from safeasr.errors import ExportError, UnsupportedModelError

__all__ = [
    "DECODER_KEYS",
    "ENCODER_KEYS",
    "PREDICTOR_KEYS",
    "check_paraformer",
    "load_parameters",
    "offline_frontend",
    "online_frontend",
    "pick",
    "require",
    "section",
]

#: Keys of ``encoder_conf`` that the networks take.
ENCODER_KEYS = (
    "output_size",
    "attention_heads",
    "linear_units",
    "num_blocks",
    "kernel_size",
    "sanm_shfit",
)
#: Keys of ``decoder_conf`` that every Paraformer's decoder takes.
DECODER_KEYS = ("attention_heads", "linear_units", "num_blocks")
#: Keys of ``predictor_conf`` that the networks take.
PREDICTOR_KEYS = ("idim", "l_order", "r_order", "smooth_factor", "noise_threshold")


def require(kind: str, config: Mapping[str, Any], key: str, *allowed: object) -> None:
    """Refuse configurations that these networks would run wrongly."""
    if key in config and config[key] not in allowed:
        raise UnsupportedModelError(
            f"{key}={config[key]!r} is not supported for {kind} (supported: "
            f"{', '.join(map(repr, allowed))})"
        )


def section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A mapping in a configuration; ExportError if it is not there."""
    found = config.get(name)
    if not isinstance(found, Mapping):
        raise ExportError(f"config.yaml has no {name}, or it is not a mapping")
    return dict(found)


def pick(config: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Those of the keys that the configuration has."""
    return {k: config[k] for k in keys if k in config}


def check_paraformer(
    kind: str,
    config: Mapping[str, Any],
    *,
    encoder: str,
    input_layers: tuple[str | None, ...],
    predictor: str = "CifPredictorV2",
    decoder: str = "ParaformerSANMDecoder",
) -> None:
    """Refuse what these networks do not have.

    Args:
        kind: for messages.
        config: config.yaml.
        encoder: class that the encoder must be of.
        predictor: class that the predictor must be of.
        decoder: class that the decoder must be of.
        input_layers: allowed values of ``encoder_conf.input_layer``, which must be named:
            FunASR's own default is "conv2d".
    """
    require(kind, config, "encoder", encoder)
    require(kind, config, "decoder", decoder)
    require(kind, config, "predictor", predictor)
    require(kind, config, "normalize", None, "null")
    encoder_conf, decoder_conf = section(config, "encoder_conf"), section(config, "decoder_conf")
    for conf in (encoder_conf, decoder_conf):
        require(kind, conf, "normalize_before", True)
        require(kind, conf, "concat_after", False)
        require(kind, conf, "lora_list", None)
    require(kind, encoder_conf, "selfattention_layer_type", "sanm")
    require(kind, encoder_conf, "positionwise_layer_type", "linear")
    require(kind, encoder_conf, "interctc_layer_idx", [])
    require(kind, encoder_conf, "input_layer", *input_layers)
    require(kind, decoder_conf, "use_output_layer", True)
    require(kind, section(config, "predictor_conf"), "threshold", 1.0, 1)
    if "input_layer" not in encoder_conf:
        names = ", ".join(map(repr, input_layers))
        raise UnsupportedModelError(
            f"encoder_conf.input_layer is missing (supported for {kind}: {names})"
        )


def load_parameters(module: nn.Module, weights: Mapping[str, Tensor], prefix: str) -> None:
    """Give a network the checkpoint's parameters of that prefix; they must fit exactly."""
    wanted = {
        name: prefix + (name.removesuffix("taps") + "weight" if name.endswith(".taps") else name)
        for name in module.state_dict()
    }
    missing = [source for source in wanted.values() if source not in weights]
    if missing:
        raise ExportError(f"the checkpoint lacks {len(missing)} parameters, first {missing[0]!r}")

    def parameter(name: str, source: str) -> Tensor:
        value = weights[source].float()
        if not name.endswith(".taps"):
            return value
        if value.dim() != 3:
            raise ExportError(f"{source} must be (size, 1, kernel), got {tuple(value.shape)}")
        return value.squeeze(1).t().contiguous()

    try:
        module.load_state_dict({n: parameter(n, s) for n, s in wanted.items()}, assign=True)
    except RuntimeError as error:
        raise ExportError(f"the checkpoint does not fit config.yaml: {error}") from error


def _frontend(model: ModelDir) -> dict[str, Any]:
    conf = dict(model.config.get("frontend_conf") or {})
    shift, scale = read_cmvn(model.cmvn)
    return {
        "sample_rate": int(conf.get("fs", 16000)),
        "n_mels": int(conf.get("n_mels", 80)),
        "frame_length_ms": float(conf.get("frame_length", 25)),
        "frame_shift_ms": float(conf.get("frame_shift", 10)),
        "lfr_m": int(conf.get("lfr_m", 1)),
        "lfr_n": int(conf.get("lfr_n", 1)),
        "window": str(conf.get("window", "hamming")),
        "cmvn_shift": shift,
        "cmvn_scale": scale,
    }


def offline_frontend(kind: str, model: ModelDir) -> dict[str, Any]:
    """Arguments of ``_ext.Frontend`` from a model's ``frontend_conf``."""
    require(kind, model.config, "frontend", "WavFrontend", "wav_frontend")
    conf = dict(model.config.get("frontend_conf") or {})
    return {
        **_frontend(model),
        "snip_edges": bool(conf.get("snip_edges", True)),
        "upscale_samples": bool(conf.get("upsacle_samples", True)),
    }


def online_frontend(kind: str, model: ModelDir) -> dict[str, Any]:
    """Arguments of ``_ext.OnlineFrontend`` from a model's ``frontend_conf``."""
    require(kind, model.config, "frontend", "WavFrontendOnline")
    return _frontend(model)
