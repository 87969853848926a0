"""Small speaker models with random weights, made by FunASR's own classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

__all__ = ["write_speaker_dir"]


def write_speaker_dir(
    path: Path, model_class: str, conf: Mapping[str, Any], seed: int = 0, name: str = "model.pt"
) -> Path:
    """Make a FunASR model directory of a speaker model; returns it.

    Its norms have statistics, as those of trained models: with none they would do nothing.
    """
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text(
        yaml.safe_dump({"model": model_class, "model_conf": dict(conf), "init_param": name})
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        network = tables.model_classes[model_class](**conf)
        for module in network.modules():
            if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                if module.affine:
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.normal_(0, 0.2)
    torch.save(network.state_dict(), path / name)
    return path
