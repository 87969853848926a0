"""CAM++ from FunASR's checkpoint, and the bundles of networks that tell speakers apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.bundles.settings import Settings
from safeasr.families.campplus.network import CamPlusPlus
from safeasr.families.campplus.rows import CamPlusPlusRows
from safeasr.families.checkpoints import load_parameters, refuse_leftovers, require
from safeasr.nets.same_lengths import BySameLengths

__all__ = ["MELS", "export", "sizes", "speaker_bundle"]

_KIND = "CAMPPlus"
#: Windows whose weights are read from memory once.
_ON_CPU: Final = 4
#: Bins of the filterbank.
MELS: Final = 80
#: Arguments of ``_ext.Frontend``: Kaldi's filterbank with its own defaults, of samples in [-1, 1],
#: which FunASR computes without a frontend.
_FRONTEND: Final[dict[str, Any]] = {
    "sample_rate": 16000,
    "n_mels": MELS,
    "frame_length_ms": 25.0,
    "frame_shift_ms": 10.0,
    "lfr_m": 1,
    "lfr_n": 1,
    "window": "povey",
    "snip_edges": True,
    "upscale_samples": False,
    "cmvn_shift": [],
    "cmvn_scale": [],
}


def speaker_bundle(
    model: ModelDir, out: Path, family: str, network: nn.Module, size: int, on_cpu: int = 1
) -> Bundle:
    """Write the network as model.ts, and describe it.

    Args:
        model: the FunASR model.
        out: an empty directory.
        family: its name.
        network: (utterances, frames, mels) to (utterances, size).
        size: of the embeddings.
        on_cpu: how many utterances of one length run together at most on the CPU.
    """
    save_program(BySameLengths(network.eval(), on_cpu), out / "model.ts")
    return Bundle(
        path=out,
        family=family,
        model_class=model.model_class,
        programs={"model": "model.ts"},
        frontend=dict(_FRONTEND),
        tokens=[],
        precision="float32",
        decoding={"embedding_size": size},
        signatures={
            "model": {
                "inputs": [
                    "features (rows, F) float32",
                    "positions (rows) float32",
                    "offsets (B + 1) int64",
                ],
                "outputs": ["embeddings (B, D) float32"],
            },
        },
    )


def sizes(conf: Settings, *keys: str) -> dict[str, int]:
    """Those of the sizes that ``model_conf`` has.

    Raises:
        ExportError: if one is not a whole number from 1 to 2048.
    """
    return {key: conf.whole(key, least=1, most=2048) for key in keys if key in conf}


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts."""
    conf = model.settings.section("model_conf", optional=True)
    require(_KIND, conf, "config_str", "batchnorm-relu")
    require(_KIND, conf, "output_level", "segment")
    require(_KIND, conf, "feat_dim", MELS)  # FunASR computes no other features
    with torch.device("meta"):
        network = CamPlusPlus(
            **sizes(conf, "embedding_size", "growth_rate", "bn_size", "init_channels")
        )
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    refuse_leftovers(weights, load_parameters(network, weights, ""))
    size = conf.whole("embedding_size", 192)
    return speaker_bundle(model, out, "campplus", CamPlusPlusRows(network), size, _ON_CPU)
