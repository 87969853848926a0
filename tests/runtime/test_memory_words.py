"""Failures that say in other words that memory is short, on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from safeasr import OutOfMemoryError, _ext
from support.programs import save

#: torch's allocator, and oneDNN where a kernel finds no memory for itself.
WORDS = [
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
    "could not create a primitive",
    "could not create a memory object",
]


class Grumbler(nn.Module):
    """Has room for a few rows."""

    def __init__(self, words: str, room: int) -> None:
        super().__init__()
        self.words = words
        self.room = room

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if x.numel() > self.room:
            raise RuntimeError(self.words)
        return 2 * x


@pytest.mark.parametrize("words", WORDS)
def test_a_batch_that_does_not_fit_is_halved(words: str, tmp_path: Path) -> None:
    engine = _ext.Engine(num_workers=1, queue_size=64)
    program = _ext.Program.load(save(Grumbler(words, 16), tmp_path / "grumbler.ts"))
    limits = _ext.BatchLimits(max_requests=8, max_cost=10**9, max_padding=1e9, max_wait_ms=200)
    runner = _ext.TensorRunner(program, limits)
    arrays = [np.full((4, 1), i, np.float32) for i in range(7)] + [np.ones((99, 1), np.float32)]
    tickets = [engine.submit_tensor(runner, array) for array in arrays]
    for array, ticket in zip(arrays[:-1], tickets, strict=False):
        assert ticket.wait(60)
        assert torch.equal(torch.as_tensor(ticket.get()[0][:4]), torch.as_tensor(2 * array))
    assert tickets[-1].wait(60)
    with pytest.raises(OutOfMemoryError):
        tickets[-1].get()
    assert engine.stats()["halved"] > 0
    engine.close()
