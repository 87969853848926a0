"""emotion2vec of base size (94 M parameters) with random weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import yaml

from safeasr.bundles.cache import cache_dir

LABELS = "angry disgusted fearful happy neutral other sad surprised <unk>".split()
#: config.yaml of emotion2vec_base, without its training settings.
CONFIG: dict[str, Any] = {
    "model": "Emotion2vec",
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    "model_conf": {
        "depth": 8,
        "embed_dim": 768,
        "num_heads": 12,
        "mlp_ratio": 4.0,
        "norm_eps": 1.0e-5,
        "norm_affine": True,
        "layer_norm_first": False,
        "end_of_block_targets": False,
        "encoder_dropout": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.0,
        "post_mlp_drop": 0.1,
        "dropout_input": 0.0,
        "layerdrop": 0.05,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "average_top_k_layers": 8,
        "loss_beta": 0.0,
        "loss_scale": None,
        "clone_batch": 8,
        "normalize": True,
        "modalities": {
            "audio": {
                "extractor_mode": "layer_norm",
                "feature_encoder_spec": "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512, 2, 2)] * 2",
                "conv_pos_width": 95,
                "conv_pos_groups": 16,
                "conv_pos_depth": 5,
                "conv_pos_pre_ln": False,
                "prenet_depth": 4,
                "prenet_layerdrop": 0.05,
                "prenet_dropout": 0.1,
                "start_drop_path_rate": 0.0,
                "end_drop_path_rate": 0.0,
                "model_depth": 8,
                "num_extra_tokens": 10,
                "init_extra_token_zero": True,
                "use_alibi_encoder": True,
                "alibi_scale": 1.0,
                "alibi_max_pos": None,
                "learned_alibi": False,
                "learned_alibi_scale": True,
                "learned_alibi_scale_per_head": True,
                "learned_alibi_scale_per_layer": False,
                "num_alibi_heads": 12,
                "local_grad_mult": 1.0,
                "decoder": None,
            }
        },
    },
}


def emotion_model() -> Path:
    """Its directory, made once and kept in safeasr's cache."""
    out = cache_dir() / "benchmark-models" / "emotion2vec-base"
    if (out / "model.pt").is_file():
        return out
    from funasr import AutoModel  # noqa: F401  (registers the classes)
    from funasr.register import tables

    out.mkdir(parents=True, exist_ok=True)
    tokens = out / "tokens.txt"
    tokens.write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    config = {**CONFIG, "tokenizer_conf": {**CONFIG["tokenizer_conf"], "token_list": str(tokens)}}
    (out / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    torch.manual_seed(0)
    made = tables.model_classes["Emotion2vec"](
        model_conf=CONFIG["model_conf"], vocab_size=len(LABELS)
    )
    draft = out / f"model.{os.getpid()}.draft"
    torch.save(made.state_dict(), draft)
    draft.replace(out / "model.pt")
    return out
