"""Small emotion2vec models with random weights, made by FunASR's own class."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from support.audio import speech

__all__ = ["LABELS", "write_emotion_dir"]

LABELS = ("生气/angry", "unuse_0", "开心/happy", "中立/neutral", "难过/sad", "unuse_1", "<unk>")
_MODEL: dict[str, Any] = {
    "depth": 1,
    "embed_dim": 64,
    "num_heads": 4,
    "mlp_ratio": 2.0,
    "norm_eps": 1e-5,
    "norm_affine": True,
    "layer_norm_first": False,
    "end_of_block_targets": False,
    "start_drop_path_rate": 0.0,
    "end_drop_path_rate": 0.0,
    "average_top_k_layers": 1,
    "normalize": True,
    **dict.fromkeys(
        ("encoder_dropout", "attention_dropout", "activation_dropout", "post_mlp_drop",
         "dropout_input", "layerdrop"),
        0.1,
    ),
}  # fmt: skip
_AUDIO: dict[str, Any] = {
    "extractor_mode": "layer_norm",
    "feature_encoder_spec": "[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32,2,2)] + [(32,2,2)]",
    "conv_pos_width": 16,
    "conv_pos_groups": 4,
    "conv_pos_depth": 2,
    "conv_pos_pre_ln": False,
    "prenet_depth": 1,
    "prenet_layerdrop": 0.05,
    "prenet_dropout": 0.1,
    "start_drop_path_rate": 0.0,
    "end_drop_path_rate": 0.0,
    "model_depth": 1,
    "num_extra_tokens": 10,
    "init_extra_token_zero": True,
    "use_alibi_encoder": True,
    "alibi_scale": 1.0,
    "alibi_max_pos": None,
    "learned_alibi": False,
    "learned_alibi_scale": True,
    "learned_alibi_scale_per_head": True,
    "learned_alibi_scale_per_layer": False,
    "num_alibi_heads": 4,
    "local_grad_mult": 1.0,
    # Only training needs it; checkpoints have it all the same.
    "decoder": {
        "decoder_dim": 16, "decoder_groups": 4, "decoder_kernel": 3, "decoder_layers": 1,
        "input_dropout": 0.1, "projection_layers": 1, "projection_ratio": 2.0,
    },
}  # fmt: skip


def write_emotion_dir(
    path: Path,
    model: Mapping[str, Any] | None = None,
    audio: Mapping[str, Any] | None = None,
    labels: Sequence[str] = LABELS,
    seed: int = 0,
) -> Path:
    """Make a FunASR model directory of emotion2vec; returns it.

    Args:
        path: where.
        model: what differs in ``model_conf``.
        audio: what differs in ``model_conf.modalities.audio``.
        labels: of its head; none: it has no head.
        seed: of its weights.
    """
    path.mkdir(parents=True, exist_ok=True)
    conf = {**_MODEL, **(model or {}), "modalities": {"audio": {**_AUDIO, **(audio or {})}}}
    config: dict[str, Any] = {"model": "Emotion2vec", "model_conf": conf}
    if labels:
        tokens = path / "tokens.txt"
        tokens.write_text("".join(f"{one}\n" for one in labels), encoding="utf-8")
        config["tokenizer"] = "CharTokenizer"
        config["tokenizer_conf"] = {"token_list": str(tokens), "unk_symbol": "<unk>",
                                    "split_with_space": True}  # fmt: skip
    # As in the published one: FunASR reads numbers like this one, PyYAML calls them strings.
    text = yaml.safe_dump(config, allow_unicode=True).replace("1.0e-05", "1e-05")
    (path / "config.yaml").write_text(text, encoding="utf-8")
    torch.save(_weights(yaml.safe_dump(conf), len(labels), seed), path / "model.pt")
    return path


@functools.lru_cache(maxsize=16)
def _weights(conf: str, labels: int, seed: int) -> dict[str, torch.Tensor]:
    """Weights with which embeddings and labels tell recordings apart."""
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        network = tables.model_classes["Emotion2vec"](
            model_conf=yaml.safe_load(conf), vocab_size=labels or -1
        ).eval()
        for name, one in network.named_parameters():
            if name.endswith("alibi_scale"):
                one.uniform_(-0.3, 2)  # what is negative counts as 0
            elif one.dim() == 1:  # biases and norms, which training does not leave at 0 and 1
                one.add_(0.2 * torch.randn_like(one))
            elif ".qkv." in name or ".mlp." in name:
                one.mul_(2)
        means = [_mean(network, speech(seconds, seed=i)) for i, seconds in enumerate((0.4, 1, 3))]
        network.blocks[-1].norm2.bias -= torch.stack(means).mean(0)
        if labels:
            network.proj.weight.mul_(8)
            network.proj.bias.zero_()
    return copy.deepcopy(network.state_dict())


def _mean(network: Any, wave: Any) -> torch.Tensor:
    samples = torch.from_numpy(wave)
    samples = torch.nn.functional.layer_norm(samples, samples.shape).view(1, -1)
    found: torch.Tensor = network.extract_features(samples)["x"][0].mean(0)
    return found
