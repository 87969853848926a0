"""Reading FunASR's configurations and checkpoints: what the families share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from safeasr.bundles.settings import MOST_LAYERS, MOST_SIZE, Settings
from safeasr.errors import ExportError, UnsupportedModelError
from safeasr.families.beam_search import ctc_weight

__all__ = [
    "check_paraformer",
    "check_sanm_encoder",
    "check_sanm_layers",
    "decoder_arguments",
    "encoder_arguments",
    "finite",
    "load_parameters",
    "paraformer_decoding",
    "plain",
    "predictor_arguments",
    "refuse_leftovers",
    "require",
    "special_tokens",
    "unknown_token",
]

#: Parameters that only training needs; docs/differences.md lists them.
TRAINING_ONLY = (
    *("decoder.embed.", "seaco_decoder.embed."),
    *("ctc.", "criterion_", "specaug.", "normalize."),
)
#: Rows that a memory's filter spans, or an integration's convolution.
_KERNEL = {"least": 1, "most": 1000}


def require(kind: str, config: Mapping[str, Any] | Settings, key: str, *allowed: object) -> None:
    """Refuse configurations that these networks would run wrongly."""
    values = Settings.of(config).values
    if key in values and values[key] not in allowed:
        raise UnsupportedModelError(
            f"{key}={values[key]!r} is not supported for {kind} (supported: "
            f"{', '.join(map(repr, allowed))})"
        )


def encoder_arguments(conf: Settings, *more_layers: str) -> dict[str, Any]:
    """Arguments of a SAN-M encoder: those of its sizes that ``encoder_conf`` has.

    Args:
        conf: the section.
        more_layers: keys of further numbers of layers.

    Raises:
        ExportError: if one is of a wrong type or out of range.
    """
    found = _attention(conf)
    if "output_size" in conf:
        found["output_size"] = conf.whole("output_size", least=1)
    for key in more_layers:
        if key in conf:
            found[key] = conf.whole(key, most=MOST_LAYERS)
    if "sanm_shfit" in conf:
        found["sanm_shfit"] = conf.whole("sanm_shfit", most=1000)
    if "kernel_size" in conf:
        found["kernel_size"] = conf.whole("kernel_size", **_KERNEL)
    heads, size = found.get("attention_heads", 4), found.get("output_size", 256)
    if size % heads:
        raise conf.wrong("attention_heads", f"a divisor of the output size {size}")
    return found


def _attention(conf: Settings) -> dict[str, Any]:
    kinds = {
        "attention_heads": {"least": 1, "most": 1024},
        "linear_units": {"least": 1},
        "num_blocks": {"least": 1, "most": MOST_LAYERS},
    }
    return {key: conf.whole(key, **limits) for key, limits in kinds.items() if key in conf}


def decoder_arguments(conf: Settings, encoder_size: int) -> dict[str, Any]:
    """Arguments of a Paraformer's decoder that ``decoder_conf`` has; raises likewise."""
    found = _attention(conf)
    if "att_layer_num" in conf:
        found["att_layer_num"] = conf.whole("att_layer_num", least=1, most=MOST_LAYERS)
    if "kernel_size" in conf:
        found["kernel_size"] = conf.whole("kernel_size", **_KERNEL)
    if "sanm_shfit" in conf:
        null = conf.values["sanm_shfit"] is None  # then half of the kernel
        found["sanm_shfit"] = None if null else conf.whole("sanm_shfit", most=1000)
    if encoder_size % found.get("attention_heads", 4):
        raise conf.wrong("attention_heads", f"a divisor of the encoder's size {encoder_size}")
    return found


def predictor_arguments(conf: Settings, encoder_size: int) -> dict[str, Any]:
    """Arguments of ``CifWeights`` that ``predictor_conf`` has; raises likewise."""
    found: dict[str, Any] = {
        "idim": conf.whole("idim", least=1),
        "l_order": conf.whole("l_order", most=1000),
        "r_order": conf.whole("r_order", most=1000),
    }
    for key in ("smooth_factor", "noise_threshold"):
        if key in conf:
            found[key] = conf.number(key)
    if found["idim"] != encoder_size:
        raise conf.wrong("idim", f"the encoder's output size, {encoder_size}")
    return found


def special_tokens(config: Settings, most: int = MOST_SIZE) -> dict[str, int]:
    """Ids of the blank, the beginning and the end, which are no part of texts; ``most`` each."""
    conf = config.section("model_conf", optional=True)
    usual = {"blank_id": 0, "sos": 1, "eos": 2}
    return {name: conf.whole(name, number, most=most) for name, number in usual.items()}


def paraformer_decoding(config: Settings) -> tuple[dict[str, float], dict[str, Any]]:
    """How a Paraformer's tokens are found and read, and how weights of frames are integrated."""
    predictor = config.section("predictor_conf")
    integration = {
        "cif_left": predictor.whole("l_order", most=1000),
        "cif_right": predictor.whole("r_order", most=1000),
        "tail_threshold": predictor.number("tail_threshold", 0.0),
        "tail_mask": predictor.flag("tail_mask", True),
    }
    search = {"ctc_weight": ctc_weight(config.section("model_conf", optional=True))}
    return {**special_tokens(config), **search}, integration


def check_paraformer(
    kind: str,
    config: Settings,
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
    check_sanm_encoder(kind, config, encoder=encoder, input_layers=input_layers)
    require(kind, config, "decoder", decoder)
    require(kind, config, "predictor", predictor)
    conf = config.section("decoder_conf")
    _check_layers(kind, conf)
    require(kind, conf, "use_output_layer", True)
    require(kind, config.section("predictor_conf"), "threshold", 1.0, 1)


def check_sanm_encoder(
    kind: str, config: Settings, *, encoder: str, input_layers: tuple[str | None, ...]
) -> None:
    """Refuse encoders that ours are not; arguments as of :func:`check_paraformer`."""
    require(kind, config, "encoder", encoder)
    require(kind, config, "normalize", None, "null")
    check_sanm_layers(kind, config.section("encoder_conf"), input_layers)


def check_sanm_layers(kind: str, conf: Settings, input_layers: tuple[str | None, ...]) -> None:
    """The same of ``encoder_conf`` alone."""
    _check_layers(kind, conf)
    require(kind, conf, "selfattention_layer_type", "sanm")
    require(kind, conf, "positionwise_layer_type", "linear")
    require(kind, conf, "interctc_layer_idx", [])
    require(kind, conf, "input_layer", *input_layers)
    if "input_layer" not in conf:
        names = ", ".join(map(repr, input_layers))
        raise UnsupportedModelError(
            f"encoder_conf.input_layer is missing (supported for {kind}: {names})"
        )


def _check_layers(kind: str, conf: Settings) -> None:
    require(kind, conf, "normalize_before", True)
    require(kind, conf, "concat_after", False)
    require(kind, conf, "lora_list", None)


def unknown_token(config: Settings, tokens: Sequence[str]) -> int:
    """The number of the token that stands for what the vocabulary does not have.

    Raises:
        ExportError: if it has none.
    """
    symbol = config.section("tokenizer_conf", optional=True).text("unk_symbol", "<unk>")
    if symbol not in tokens:
        raise ExportError(f"the vocabulary has no {symbol!r}, which unknown words become")
    return tokens.index(symbol)


def load_parameters(module: nn.Module, weights: Mapping[str, Tensor], prefix: str) -> set[str]:
    """Give a network the checkpoint's parameters of that prefix; they must fit exactly.

    Returns:
        The names of those that it has taken, for :func:`refuse_leftovers`.

    Raises:
        ExportError: if one is missing, of another shape, no plain tensor of real numbers, or holds
            NaN or infinity, with which every answer would be empty.
    """
    wanted = {
        name: prefix + (name.removesuffix("taps") + "weight" if name.endswith(".taps") else name)
        for name in module.state_dict()
    }
    missing = [source for source in wanted.values() if source not in weights]
    if missing:
        raise ExportError(f"the checkpoint lacks {len(missing)} parameters, first {missing[0]!r}")
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}

    def parameter(name: str, source: str) -> Tensor:
        value = plain(source, weights[source])
        shape, taps = shapes[name], name.endswith(".taps")
        expected = (shape[1], 1, shape[0]) if taps else shape  # before: an expanded one is endless
        if tuple(value.shape) != expected:
            raise ExportError(
                f"the checkpoint does not fit config.yaml: size mismatch for {source}: expected "
                f"{expected}, got {tuple(value.shape)}"
            )
        value = finite(source, value.detach().float())
        return value.squeeze(1).t().contiguous() if taps else value

    try:
        module.load_state_dict({n: parameter(n, s) for n, s in wanted.items()}, assign=True)
    except RuntimeError as error:
        raise ExportError(f"the checkpoint does not fit config.yaml: {error}") from error
    return set(wanted.values())


def plain(name: str, value: Tensor) -> Tensor:
    """A parameter, unless it is of a kind that no weights are."""
    if value.layout != torch.strided or value.is_quantized or value.is_complex() or value.is_meta:
        raise ExportError(f"{name} must be a plain tensor of real numbers, got {value.type()}")
    return value


def finite(name: str, value: Tensor) -> Tensor:
    """A parameter, unless it holds NaN or infinity."""
    # The sum of finite numbers may overflow, so a sum that is finite tells, and others are counted.
    if not bool(torch.isfinite(value.sum())):
        wrong = int((~torch.isfinite(value)).sum())
        if wrong:
            raise ExportError(
                f"{name} of the checkpoint holds NaN or infinity in {wrong} places: it is damaged, "
                "or its training went wrong"
            )
    return value


def refuse_leftovers(weights: Mapping[str, Tensor], taken: Iterable[str]) -> None:
    """Refuse a checkpoint of another network: one that has more than this network takes.

    FunASR leaves such parameters out without a word, half an encoder if need be.

    Args:
        weights: the checkpoint.
        taken: names of those that were used. What only training needs may be left.

    Raises:
        ExportError: naming some that are left.
    """
    left = sorted(
        name for name in weights.keys() - set(taken) if not name.startswith(TRAINING_ONLY)
    )
    if left:
        raise ExportError(
            f"the checkpoint does not fit config.yaml: {len(left)} of its parameters have no place "
            f"in the network, such as {', '.join(map(repr, left[:3]))}"
        )
