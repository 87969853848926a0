"""Encoders of layers behind a subsampling, from FunASR's configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import load_parameters, require
from safeasr.nets.branchformer_encoder import BranchformerLayer, EBranchformerLayer, GatingMlp
from safeasr.nets.conformer_encoder import ConformerLayer, LayeredEncoder, TransformerLayer
from safeasr.nets.self_attention import RelativeAttention, SelfAttention
from safeasr.nets.subsampling import STRIDED, Subsampling

__all__ = ["BuiltEncoder", "branchformer", "conformer", "e_branchformer", "transformer"]

#: Rows up to which FunASR has encodings of positions from the start.
_TABLE: Final = 5000
_KERNEL: Final[dict[str, int]] = {"least": 1, "most": 999}


@dataclass(frozen=True)
class BuiltEncoder:
    """An encoder with its weights, and what its program takes beside features.

    Attributes:
        network: see csrc/asr/subsampled_batch.h for what it takes.
        size: of its rows.
        input_layer: a key of ``STRIDED``, or "" if nothing is subsampled.
        positions: "none", "distance" or "shifted".
        table: rows up to which shifted positions are shared.
    """

    network: nn.Module
    size: int
    input_layer: str = ""
    positions: str = "none"
    table: int = _TABLE

    def settings(self) -> dict[str, Any]:
        """What a bundle holds of it."""
        return {
            "input_layer": self.input_layer,
            "positions": self.positions,
            "positions_table": self.table,
        }


@dataclass(frozen=True)
class _Layout:
    """What the encoders with subsampling have in common."""

    size: int
    heads: int
    blocks: int
    input_layer: str
    positions: str
    table: int

    def attention(self) -> SelfAttention | RelativeAttention:
        """That of one layer."""
        if self.positions == "none":
            return SelfAttention(self.size, self.heads)
        return RelativeAttention(self.size, self.heads, self.positions == "shifted")


def _layout(
    kind: str, conf: Settings, blocks: int, attention_key: str, legacy: str, plain: bool
) -> _Layout:
    """Read a configuration.

    Args:
        kind: for messages.
        conf: encoder_conf.
        blocks: layers, if it does not say.
        attention_key: the key of the kind of attention.
        legacy: ``rel_pos_type``, if it does not say.
        plain: positions are always absolute.
    """
    size = conf.whole("output_size", 256, least=2)
    heads = conf.whole("attention_heads", 4, least=1, most=1024)
    if size % heads:
        raise conf.wrong("attention_heads", f"a divisor of the output size {size}")
    if size % 2:
        raise conf.wrong("output_size", "an even number")
    require(kind, conf, "input_layer", *STRIDED)
    positions = "none"
    if not plain:
        require(kind, conf, "rel_pos_type", "legacy", "latest")
        old = conf.text("rel_pos_type", legacy) == "legacy"
        encodings = {"abs_pos": "selfattn", "rel_pos": "rel_selfattn"}
        if old:
            encodings["legacy_rel_pos"] = "legacy_rel_selfattn"
        require(kind, conf, "pos_enc_layer_type", *encodings)
        encoding = conf.text("pos_enc_layer_type", "rel_pos")
        matching = {encodings[encoding]}
        if old and encoding != "abs_pos":
            matching = {"rel_selfattn", "legacy_rel_selfattn"}
        if conf.text(attention_key, "rel_selfattn") not in matching:
            raise UnsupportedModelError(
                f"{attention_key}={conf.values.get(attention_key, 'rel_selfattn')!r} is not "
                f"supported for {kind} with pos_enc_layer_type={encoding!r}"
            )
        if encoding != "abs_pos":
            positions = "shifted" if old else "distance"
    else:
        require(kind, conf, "pos_enc_class", None)
    return _Layout(
        size=size,
        heads=heads,
        blocks=conf.whole("num_blocks", blocks, least=1, most=MOST_LAYERS),
        input_layer=conf.text("input_layer", "conv2d"),
        positions=positions,
        table=conf.whole("max_pos_emb_len", _TABLE, least=1),
    )


def _odd(conf: Settings, key: str, default: int) -> int:
    kernel = conf.whole(key, default, **_KERNEL)
    if kernel % 2 == 0:
        raise conf.wrong(key, "an odd number")
    return kernel


def _swish(kind: str, conf: Settings, key: str) -> bool:
    require(kind, conf, key, "swish", "relu")
    return conf.text(key, "swish") == "swish"


def _layered(
    conf: Settings,
    layout: _Layout,
    make_layer: Callable[[int], nn.Module],
    weights: Mapping[str, Tensor],
    taken: set[str],
    input_size: int,
) -> BuiltEncoder:
    """Front, layers and norm; ``make_layer`` is given the layer's number."""
    size = layout.size
    try:
        with torch.device("meta"):
            front = Subsampling(input_size, size, layout.input_layer, layout.positions == "none")
            layers = [make_layer(number) for number in range(layout.blocks)]
            encoder = LayeredEncoder(front, layers, size)
    except ValueError as error:
        raise conf.error(f"{conf.where}: {error}") from error
    taken |= load_parameters(encoder, weights, "encoder.")
    encoder.fold()
    return BuiltEncoder(encoder, size, layout.input_layer, layout.positions, layout.table)


def conformer(
    kind: str, conf: Settings, weights: Mapping[str, Tensor], taken: set[str], input_size: int
) -> BuiltEncoder:
    """FunASR's ``ConformerEncoder``; arguments and errors as of ``build_encoder``."""
    layout = _layout(kind, conf, 6, "selfattention_layer_type", "legacy", plain=False)
    kernel = _odd(conf, "cnn_module_kernel", 31) if conf.flag("use_cnn_module", True) else 0
    hidden = conf.whole("linear_units", 2048, least=1)
    macaron = conf.flag("macaron_style", False)
    swish = _swish(kind, conf, "activation_type")

    def layer(_: int) -> ConformerLayer:
        return ConformerLayer(layout.size, layout.attention(), hidden, kernel, macaron, swish)

    return _layered(conf, layout, layer, weights, taken, input_size)


def transformer(
    kind: str, conf: Settings, weights: Mapping[str, Tensor], taken: set[str], input_size: int
) -> BuiltEncoder:
    """FunASR's ``TransformerEncoder``; likewise."""
    layout = _layout(kind, conf, 6, "", "", plain=True)
    hidden = conf.whole("linear_units", 2048, least=1)

    def layer(_: int) -> TransformerLayer:
        return TransformerLayer(layout.size, layout.heads, hidden)

    return _layered(conf, layout, layer, weights, taken, input_size)


def _gating(conf: Settings, size: int) -> GatingMlp:
    hidden = conf.whole("cgmlp_linear_units", 2048, least=2)
    if hidden % 2:
        raise conf.wrong("cgmlp_linear_units", "an even number")
    kernel = _odd(conf, "cgmlp_conv_kernel", 31)
    return GatingMlp(size, hidden, kernel, conf.flag("use_linear_after_conv", False))


def branchformer(
    kind: str, conf: Settings, weights: Mapping[str, Tensor], taken: set[str], input_size: int
) -> BuiltEncoder:
    """FunASR's ``BranchformerEncoder``; likewise."""
    for key, allowed in (("use_attn", True), ("use_cgmlp", True), ("gate_activation", "identity")):
        require(kind, conf, key, allowed)
    require(kind, conf, "merge_method", "concat", "fixed_ave")
    layout = _layout(kind, conf, 12, "attention_layer_type", "latest", plain=False)
    shares: list[float | None] = [None] * layout.blocks
    if conf.text("merge_method", "concat") == "fixed_ave":
        given = conf.values.get("cgmlp_weight", 0.5)
        shares = list(given) if isinstance(given, list) else [given] * layout.blocks
        good = len(shares) == layout.blocks and all(
            isinstance(one, float) and 0.0 < one < 1.0 for one in shares
        )
        if not good:  # at 0 and 1 FunASR leaves a branch out
            raise UnsupportedModelError(
                f"cgmlp_weight={given!r} is not supported for {kind} (supported: numbers between "
                f"0.0 and 1.0, one or {layout.blocks})"
            )

    def layer(number: int) -> BranchformerLayer:
        gating = _gating(conf, layout.size)
        return BranchformerLayer(layout.size, layout.attention(), gating, shares[number])

    return _layered(conf, layout, layer, weights, taken, input_size)


def e_branchformer(
    kind: str, conf: Settings, weights: Mapping[str, Tensor], taken: set[str], input_size: int
) -> BuiltEncoder:
    """FunASR's ``EBranchformerEncoder``; likewise."""
    require(kind, conf, "gate_activation", "identity")
    layout = _layout(kind, conf, 12, "attention_layer_type", "latest", plain=False)
    kernel = _odd(conf, "merge_conv_kernel", 3)
    hidden = conf.whole("linear_units", 2048, least=1) if conf.flag("use_ffn", False) else 0
    macaron = conf.flag("macaron_ffn", False)
    swish = _swish(kind, conf, "ffn_activation_type")

    def layer(_: int) -> EBranchformerLayer:
        gating = _gating(conf, layout.size)
        return EBranchformerLayer(
            layout.size, layout.attention(), gating, kernel, hidden, macaron, swish
        )

    return _layered(conf, layout, layer, weights, taken, input_size)
