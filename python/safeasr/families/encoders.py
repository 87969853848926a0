"""Encoders that FunASR's CTC networks and hybrids may have, from its configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor, nn

from safeasr._extension import _ext
from safeasr.bundles.settings import Settings
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import (
    check_sanm_layers,
    encoder_arguments,
    load_parameters,
    require,
)
from safeasr.families.layered_encoders import (
    BuiltEncoder,
    branchformer,
    conformer,
    e_branchformer,
    transformer,
)
from safeasr.nets.sanm_encoder import SanmEncoder
from safeasr.nets.sense_voice_encoder import SenseVoiceEncoder
from safeasr.nets.subsampling import STRIDED

__all__ = ["INPUTS", "BuiltEncoder", "build_encoder", "shape_of"]

#: What programs of these encoders take, for readers of bundles.
INPUTS: Final = [
    "features (frames, F) float32",
    "starts: for each convolution in front (n) int64",
    "numbers (rows) float32",
    "offsets (B + 1) int64",
    "positions (m) float32",
    "firsts (B) int64",
]


def shape_of(settings: Settings) -> _ext.EncoderShape:
    """What a bundle's program takes beside features; raises as Settings do."""
    input_layer = settings.text("input_layer")
    if input_layer and input_layer not in STRIDED:
        raise settings.wrong("input_layer", f"one of {', '.join(STRIDED)}")
    return _ext.EncoderShape(
        layers=list(STRIDED.get(input_layer, ())),
        positions=settings.text("positions"),
        table=settings.whole("positions_table", least=1),
    )


class SanmRows(nn.Module):
    """A SAN-M encoder with the inputs of the others."""

    def __init__(self, encoder: SanmEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self,
        features: Tensor,
        starts: list[Tensor],
        numbers: Tensor,
        offsets: Tensor,
        positions: Tensor,
        firsts: Tensor,
    ) -> Tensor:
        """Encode a ragged batch; of its inputs only features, numbers and offsets are looked at."""
        none: list[Tensor] = []
        return self.encoder(self.encoder.embed(features, numbers), offsets, none, offsets)


def build_encoder(
    kind: str, config: Settings, weights: Mapping[str, Tensor], taken: set[str], input_size: int
) -> BuiltEncoder:
    """The encoder of a configuration, with the checkpoint's weights in float32.

    Args:
        kind: FunASR's class of the model, for messages.
        config: config.yaml.
        weights: the checkpoint.
        taken: gets the names of the parameters that it takes.
        input_size: width of the features.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    name = config.text("encoder")
    if name not in _BUILDERS:
        raise UnsupportedModelError(
            f"encoder={name!r} is not supported for {kind} (supported: "
            f"{', '.join(map(repr, _BUILDERS))})"
        )
    conf = config.section("encoder_conf")
    for key, allowed in (
        ("normalize_before", True),
        ("concat_after", False),
        ("interctc_use_conditioning", False),
        ("positionwise_layer_type", "linear"),
        ("zero_triu", False),
    ):
        require(kind, conf, key, allowed)
    require(kind, conf, "interctc_layer_idx", [], None)
    require(kind, conf, "lora_list", None)
    return _BUILDERS[name](kind, conf, weights, taken, input_size)


class SenseVoiceRows(nn.Module):
    """SenseVoice's encoder with the inputs of the others."""

    def __init__(self, encoder: SenseVoiceEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self,
        features: Tensor,
        starts: list[Tensor],
        numbers: Tensor,
        offsets: Tensor,
        positions: Tensor,
        firsts: Tensor,
    ) -> Tensor:
        """Encode a ragged batch; of its inputs only features, numbers and offsets are looked at."""
        return self.encoder(features, numbers, offsets)


def _sense_voice(
    kind: str, conf: Settings, weights: Mapping[str, Tensor], taken: set[str], input_size: int
) -> BuiltEncoder:
    arguments = encoder_arguments(conf, "tp_blocks")
    with torch.device("meta"):
        encoder = SenseVoiceEncoder(input_size, **arguments)
    taken |= load_parameters(encoder, weights, "encoder.")
    return BuiltEncoder(SenseVoiceRows(encoder), arguments.get("output_size", 256))


def _sanm(
    kind: str, conf: Settings, weights: Mapping[str, Tensor], taken: set[str], input_size: int
) -> BuiltEncoder:
    check_sanm_layers(kind, conf, ("pe",))
    with torch.device("meta"):
        encoder = SanmEncoder(input_size, input_layer="pe", **encoder_arguments(conf))
    taken |= load_parameters(encoder, weights, "encoder.")
    return BuiltEncoder(SanmRows(encoder), encoder.size)


_Builder = Callable[[str, Settings, Mapping[str, Tensor], set[str], int], BuiltEncoder]
_BUILDERS: Final[dict[str, _Builder]] = {
    "ConformerEncoder": conformer,
    "TransformerEncoder": transformer,
    "BranchformerEncoder": branchformer,
    "EBranchformerEncoder": e_branchformer,
    "SANMEncoder": _sanm,
    "SenseVoiceEncoderSmall": _sense_voice,
}
