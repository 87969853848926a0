"""ERes2NetV2's network from its checkpoint, and its bundle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.settings import MOST_LAYERS
from safeasr.families.campplus.export import MELS, sizes, speaker_bundle
from safeasr.families.checkpoints import load_parameters, refuse_leftovers, require
from safeasr.families.eres2netv2.network import ERes2NetV2
from safeasr.nets.batch_norm import fold_batch_norms

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
    conf = model.settings.section("model_conf", optional=True)
    require(_KIND, conf, "pooling_func", "TSTP")
    require(_KIND, conf, "feat_dim", MELS)
    require(_KIND, conf, "two_emb_layer", False)
    if len(conf.wholes("num_blocks", [3, 4, 6, 3])) != 4:
        raise conf.wrong("num_blocks", "a list of four numbers")
    with torch.device("meta"):
        network = ERes2NetV2(
            **sizes(conf, "embedding_size", "m_channels", "baseWidth", "scale", "expansion"),
            num_blocks=conf.wholes("num_blocks", [3, 4, 6, 3], least=1, most=MOST_LAYERS),
        )
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    # FunASR's class holds the network as `model`; the published checkpoint is the network's own.
    prefix = "model." if "model.conv1.weight" in weights else ""
    weights = _renamed(weights)
    refuse_leftovers(weights, load_parameters(network, weights, prefix))
    fold_batch_norms(network)
    size = conf.whole("embedding_size", 192)
    return speaker_bundle(model, out, "eres2netv2", network, size)
