"""What an encoder's program takes of a batch, put together once more, beside C++."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from safeasr import _ext
from safeasr.bundles.program import save_program
from safeasr.families.encoders import BuiltEncoder
from safeasr.nets.subsampling import STRIDED
from support.encoding import ROW_STEP, Floats

__all__ = ["batch_inputs", "encode", "program_of"]


def _padded(values: list[int]) -> Tensor:
    return torch.tensor(values + [0] * (-len(values) % ROW_STEP))


def batch_inputs(built: BuiltEncoder, clips: Sequence[Tensor]) -> tuple[list[Any], list[int]]:
    """The program's inputs for features (frames, size) of utterances, and the rows of each."""
    lengths = [len(one) for one in clips]
    starts: list[Tensor] = []
    for kernel, stride in STRIDED.get(built.input_layer, ()):
        begins, first = [], 0
        for number, length in enumerate(lengths):
            lengths[number] = (length - kernel) // stride + 1
            begins += [first + t * stride for t in range(lengths[number])]
            first += length
        starts.append(_padded(begins))
    numbers = torch.cat([torch.arange(1.0, n + 1) for n in lengths])
    missing = -len(numbers) % ROW_STEP
    features = torch.cat(list(clips))
    if not starts:
        features = torch.nn.functional.pad(features, (0, 0, 0, missing))
    positions, firsts = torch.empty(0), [0] * len(lengths)
    if built.positions == "distance":
        longest = max(lengths)
        positions = torch.arange(longest - 1.0, -longest, -1.0)
        firsts = [longest - n for n in lengths]
    elif built.positions == "shifted":
        parts, firsts = [], []
        for n in lengths:  # each with its own, which C++ shares
            firsts.append(sum(len(one) for one in parts))
            top = max(n, built.table)
            parts.append(torch.arange(top - 1.0, top - 1 - n, -1.0))
        positions = torch.cat(parts)
    inputs = [
        features,
        starts,
        torch.cat([numbers, torch.ones(missing)]),
        torch.tensor([0, *lengths]).cumsum(0),
        positions,
        torch.tensor(firsts),
    ]
    return inputs, lengths


class _Flat(nn.Module):
    """An encoder whose inputs are all arrays, which is what Python can give a program."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self,
        features: Tensor,
        first: Tensor,
        second: Tensor,
        third: Tensor,
        numbers: Tensor,
        offsets: Tensor,
        positions: Tensor,
        firsts: Tensor,
    ) -> Tensor:
        starts = [first, second, third]
        return self.encoder(features, starts, numbers, offsets, positions, firsts)


def program_of(built: BuiltEncoder, path: Path) -> _ext.Program:
    """The encoder as the engine runs it."""
    save_program(_Flat(built.network), path)
    return _ext.Program.load(str(path))


def encode(program: _ext.Program, built: BuiltEncoder, clips: Sequence[Tensor]) -> list[Floats]:
    """Rows (rows, size) of each utterance, of one batch."""
    (features, starts, *others), lengths = batch_inputs(built, clips)
    starts = [*starts, *[torch.zeros(1, dtype=torch.int64)] * (3 - len(starts))]
    [rows] = program.run([one.numpy() for one in (features, *starts, *others)])
    return np.split(rows, np.cumsum(lengths))[:-1]
