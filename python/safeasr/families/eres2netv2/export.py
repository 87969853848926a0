"""ERes2NetV2's network from its checkpoint, and its bundle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.families.campplus.export import MELS, speaker_bundle
from safeasr.families.checkpoints import load_parameters, pick, require
from safeasr.families.eres2netv2.network import ERes2NetV2

__all__ = ["export"]

_KIND = "ERes2NetV2"


def _renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network has a join for each group, checkpoints have one for each but the first."""
    found = re.compile(r"\.fuse_models\.(\d+)\.")
    return {
        found.sub(lambda match: f".joins.{int(match[1]) + 1}.", name): value
        for name, value in weights.items()
    }


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts."""
    conf = dict(model.config.get("model_conf") or {})
    require(_KIND, conf, "pooling_func", "TSTP")
    require(_KIND, conf, "feat_dim", MELS)
    require(_KIND, conf, "two_emb_layer", False)
    with torch.device("meta"):
        network = ERes2NetV2(
            **pick(
                conf,
                *("feat_dim", "embedding_size", "m_channels", "baseWidth", "scale", "expansion"),
                "num_blocks",
            )
        )
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    # FunASR's class holds the network as `model`; the published checkpoint is the network's own.
    prefix = "model." if "model.conv1.weight" in weights else ""
    load_parameters(network, _renamed(weights), prefix)
    size = int(conf.get("embedding_size", 192))
    return speaker_bundle(model, out, "eres2netv2", network, size)
