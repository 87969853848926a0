"""Silero VAD's network from the weights that come with the package ``silero-vad``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.damage import out_of_memory
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.errors import ExportError, OutOfMemoryError
from safeasr.families.checkpoints import load_parameters, refuse_leftovers
from safeasr.families.silero_vad.network import SIZES, SileroRows, SileroVad

__all__ = ["export"]


def _weights(file: Path, *, trust_remote_code: bool) -> Mapping[str, Tensor]:
    """The parameters of both networks, by a checkpoint or by the package's TorchScript file."""
    if file.suffix != ".jit":
        return read_weights(file, trust_remote_code=trust_remote_code)
    try:  # nothing of the program is run
        program = torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-untyped-call]
        return dict(program.state_dict())
    except Exception as error:
        if out_of_memory(error):
            raise OutOfMemoryError(f"no memory left to read {file}: {error}") from error
        raise ExportError(f"{file} is not Silero VAD's TorchScript file: {error}") from error


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write model.ts."""
    rate = model.settings.whole("silero_sampling_rate", 16000, most=48_000)
    if rate not in SIZES:
        raise model.settings.wrong("silero_sampling_rate", "8000 or 16000")
    sizes = SIZES[rate]
    with torch.device("meta"):
        network = SileroVad(sizes)
    weights = _weights(model.checkpoint, trust_remote_code=trust_remote_code)
    taken = load_parameters(network, weights, sizes.prefix)
    of_other_rates = tuple(one.prefix for one in SIZES.values() if one is not sizes)
    refuse_leftovers(
        {name: one for name, one in weights.items() if not name.startswith(of_other_rates)}, taken
    )
    save_program(SileroRows(network, sizes), out / "model.ts")
    return Bundle(
        path=out,
        family="silero_vad",
        model_class=model.model_class,
        programs={"model": "model.ts"},
        frontend={"sample_rate": rate},
        tokens=[],
        precision=precision,
        decoding={},
        signatures={
            "model": {
                "inputs": [
                    f"state and windows (rows, {sizes.row}) float32",
                    "positions (rows) float32",
                    "offsets (B + 1) int64",
                ],
                "outputs": ["speech (rows) float32", "state (B, 2, 128) float32"],
            },
        },
    )
