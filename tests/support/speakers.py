"""Small speaker models with random weights, made by FunASR's own classes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from support.audio import speech

__all__ = ["write_bare_eres2netv2", "write_speaker_dir"]


def write_speaker_dir(
    path: Path, model_class: str, conf: Mapping[str, Any], seed: int = 0, name: str = "model.pt"
) -> Path:
    """Make a FunASR model directory of a speaker model; returns it.

    Its norms have statistics, as those of trained models: with none they would do nothing. Its
    embeddings lie around zero, so that their signs tell recordings apart.
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
        _centre(network.eval())
    torch.save(network.state_dict(), path / name)
    return path


def write_bare_eres2netv2(path: Path, seed: int = 0) -> Path:
    """ERes2NetV2 as the hub has it, of full size: a checkpoint of the network, and nothing else."""
    made = write_speaker_dir(path / "whole", "ERes2NetV2", {}, seed)
    weights = torch.load(made / "model.pt", weights_only=True)
    bare = {name.removeprefix("model."): value for name, value in weights.items()}
    torch.save(bare, path / "pretrained_eres2netv2.ckpt")
    shutil.rmtree(made)
    return path


def _centre(network: torch.nn.Module) -> None:
    """Take the mean embedding of some recordings from all that come."""
    from funasr.models.campplus.utils import extract_feature

    clips = [torch.from_numpy(speech(seconds, seed=seed)) for seed, seconds in enumerate([1, 2, 3])]
    features = [extract_feature([clip])[0] for clip in clips]
    mean = torch.cat([network(one.float()) for one in features]).mean(dim=0)
    state = network.state_dict()
    if "model.seg_1.bias" in state:
        state["model.seg_1.bias"] -= mean
    else:  # what the last norm takes away, before it divides
        norm = "xvector.dense.nonlinear.batchnorm"
        state[f"{norm}.running_mean"] += mean * torch.sqrt(state[f"{norm}.running_var"] + 1e-5)
