"""emotion2vec's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.program import save_program
from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.families.checkpoints import load_parameters, refuse_leftovers, require
from safeasr.families.emotion2vec.convolutions import read_convolutions
from safeasr.families.emotion2vec.network import Emotion2vec, Sizes
from safeasr.families.emotion2vec.rows import EmotionRows, hop_and_window
from safeasr.nets.precision import narrow

__all__ = ["UNUSED", "build_network", "export"]

_KIND = "Emotion2vec"
#: How labels begin that no utterance gets.
UNUSED = "unuse"
#: Parameters that pretraining leaves in checkpoints: decoders, a teacher.
_PRETRAINING = (
    *("modality_encoders.AUDIO.decoder.", "shared_decoder.", "recon_proj."),
    *("_ema.", "ema."),
)
_MOST_TOKENS = 1000


def read_sizes(config: Settings, labels: int) -> Sizes:
    """What config.yaml says of the network.

    Raises:
        ExportError: if a size is missing, of a wrong type or out of range.
        UnsupportedModelError: if it is another network.
    """
    conf = config.section("model_conf")
    audio = conf.section("modalities").section("audio")
    require(_KIND, conf, "layer_norm_first", False)
    require(_KIND, conf, "norm_affine", True)
    require(_KIND, audio, "extractor_mode", "layer_norm")
    require(_KIND, audio, "learned_alibi", False)
    require(_KIND, audio, "conv_pos_pre_ln", False)
    size, heads = conf.whole("embed_dim", least=1), conf.whole("num_heads", least=1, most=1024)
    if size % heads:
        raise conf.wrong("num_heads", f"a divisor of embed_dim, {size}")
    groups = audio.whole("conv_pos_groups", least=1)
    if size % groups:
        raise audio.wrong("conv_pos_groups", f"a divisor of embed_dim, {size}")
    layers = audio.whole("conv_pos_depth", least=1, most=MOST_LAYERS)
    kernel = max(3, audio.whole("conv_pos_width", least=1, most=_MOST_TOKENS) // layers)
    first_blocks = audio.whole("prenet_depth", most=MOST_LAYERS)
    blocks = conf.whole("depth", most=MOST_LAYERS)
    alibi_heads = heads
    alibi: tuple[int, ...] | None = None
    if audio.flag("use_alibi_encoder"):
        alibi_heads = audio.whole("num_alibi_heads", least=1, most=heads)
        by_head = audio.flag("learned_alibi_scale_per_head")
        by_layer = audio.flag("learned_alibi_scale_per_layer")
        alibi = (first_blocks + blocks if by_layer else 1, 1, alibi_heads if by_head else 1, 1, 1)
    sizes = Sizes(
        convolutions=read_convolutions(audio, "feature_encoder_spec"),
        size=size,
        heads=heads,
        hidden=int(size * conf.number("mlp_ratio", least=0.01, most=64)),
        first_blocks=first_blocks,
        blocks=blocks,
        extra_tokens=audio.whole("num_extra_tokens", most=_MOST_TOKENS),
        position_layers=layers,
        position_kernel=kernel,
        position_groups=groups,
        alibi=alibi,
        alibi_heads=alibi_heads,
        labels=labels,
        epsilon=conf.number("norm_eps", least=0, most=1),
    )
    hop, window = hop_and_window(sizes.convolutions)
    # The rows of an utterance's tokens keep it apart from the next one; see rows.py.
    apart = max(kernel - 1, -(-(window - hop) // hop))
    if sizes.extra_tokens < kernel // 2 or sizes.extra_tokens < apart - kernel // 2:
        raise audio.wrong("num_extra_tokens", f"at least {max(kernel // 2, apart - kernel // 2)}")
    return sizes


def build_network(
    config: Settings, weights: Mapping[str, Tensor], labels: list[str]
) -> tuple[EmotionRows, Sizes]:
    """The network with the checkpoint's weights in float32, and its sizes.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    sizes = read_sizes(config, len(labels))
    with torch.device("meta"):
        network = Emotion2vec(sizes)
    taken = load_parameters(network, weights, "")
    own = {name: one for name, one in weights.items() if not name.startswith(_PRETRAINING)}
    if not labels:  # FunASR leaves the head out where nobody says what its scores are of
        own = {name: one for name, one in own.items() if not name.startswith("proj.")}
    refuse_leftovers(own, taken)
    unused = [number for number, label in enumerate(labels) if label.startswith(UNUSED)]
    return EmotionRows(network, sizes, unused), sizes


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts."""
    config = model.settings
    # Without a tokenizer there are no labels, and no head.
    labels = [] if config.values.get("tokenizer") is None else read_vocabulary(model.tokens)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    network, sizes = build_network(config, weights, labels)
    narrow(network, precision)
    save_program(network, out / "model.ts")
    hop, window = hop_and_window(sizes.convolutions)
    return Bundle(
        path=out,
        family="emotion2vec",
        model_class=model.model_class,
        programs={"model": "model.ts"},
        frontend={"sample_rate": 16000},  # FunASR takes no other
        tokens=labels,
        precision=precision,
        decoding={
            "hop": hop,
            "window": window,
            "extra_tokens": sizes.extra_tokens,
            "normalize": config.section("model_conf").flag("normalize"),
        },
        signatures={
            "model": {
                "inputs": [
                    f"samples (rows, {hop}) float32",
                    "positions (rows) float32",
                    "offsets (B + 1) int64",
                    f"neighbours (rows, {sizes.extra_tokens + 1}) int64",
                ],
                "outputs": [
                    "frames (rows, D) float32",
                    "means (B, D) float32",
                    "probabilities (B, labels) float32",
                ],
            },
        },
    )
