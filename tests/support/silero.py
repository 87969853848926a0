"""Silero VAD with random weights, and FunASR's answers by the real ones."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from safeasr.families.silero_vad.network import SIZES, SileroRows, SileroVad
from support.vad import conversation

__all__ = ["needs_silero", "oracle", "write_silero_dir"]

needs_silero = pytest.mark.skipif(
    importlib.util.find_spec("silero_vad") is None, reason="the weights come with silero-vad"
)


def oracle(**options: Any) -> Any:
    """FunASR's detector, fresh; the package sets torch's threads for the whole process."""
    from support.oracle import pipeline_oracle

    threads = torch.get_num_threads()
    try:
        return pipeline_oracle(model="silero-vad", **options)
    finally:
        torch.set_num_threads(threads)


def write_silero_dir(path: Path, seed: int = 0) -> Path:
    """A model directory whose weights are random, and find speech here and there; returns it."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text(yaml.safe_dump({"model": "SileroVad"}), encoding="utf-8")
    torch.save(_weights(seed), path / "model.pt")
    return path


@functools.lru_cache(maxsize=4)
def _weights(seed: int) -> dict[str, torch.Tensor]:
    made: dict[str, torch.Tensor] = {}
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for rate, sizes in SIZES.items():
            network = SileroVad(sizes)
            network.stft.forward_basis_buffer.normal_(0, sizes.filter_size**-0.5)
            for name, one in network.named_parameters():
                if ".rnn." in name:
                    one.mul_(2)
            last = network.decoder.get_submodule("decoder.2")
            assert isinstance(last, torch.nn.Conv1d)
            assert last.bias is not None
            wave = torch.from_numpy(conversation(12.0, seed, rate))
            rows = torch.cat([torch.zeros(2, sizes.row), wave.unfold(0, sizes.row, sizes.window)])
            last.weight.normal_(0, 1)
            last.bias.zero_()
            program = SileroRows(network, sizes)
            count = torch.arange(1.0, len(rows) + 1)
            speech, _ = program(rows, count, torch.tensor([0, len(rows)]))
            scores = torch.logit(speech[2:].double())
            scale = 2 / scores.std()
            last.weight.mul_(scale)
            last.bias.fill_(-float(scores.median() * scale))
            state = network.state_dict()
            made |= {sizes.prefix + name: value.clone() for name, value in state.items()}
    return made
