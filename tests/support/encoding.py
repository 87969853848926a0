"""Encoders of offline Paraformers by themselves: rows in, numbers out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safeasr import _ext
from safeasr.bundles.bundle import Bundle

Floats = NDArray[np.float32]

#: The engine pads batches to a multiple of this (csrc/asr/ragged_batch.h).
ROW_STEP = 8


def neighbours(lengths: list[int], left: int, right: int) -> NDArray[np.int64]:
    """Rows that the predictor's convolution sees, from 1; 0 where there is none."""
    out, first = [], 0
    for length in lengths:
        for t in range(length):
            span = range(t - left, t + right + 1)
            out.append([first + n + 1 if 0 <= n < length else 0 for n in span])
        first += length
    return np.asarray(out, np.int64)


def encode(bundle: Bundle, arrays: list[Floats]) -> list[tuple[Floats, Floats]]:
    """Hidden vectors and CIF weights of utterances that share a batch, padded as the engine pads.

    oneDNN multiplies a single row in another way than many; the engine never asks it to.
    """
    program = _ext.Program.load(bundle.program("encoder"))
    lengths = [len(array) for array in arrays]
    missing = -sum(lengths) % ROW_STEP
    positions = np.concatenate([*(np.arange(1, n + 1) for n in lengths), np.ones(missing)])
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    seen = neighbours(lengths, bundle.decoding["cif_left"], bundle.decoding["cif_right"])
    hidden, alphas = program.run(
        [
            np.pad(np.concatenate(arrays), ((0, missing), (0, 0))),
            positions.astype(np.float32),
            offsets,
            np.pad(seen, ((0, missing), (0, 0))),
        ]
    )
    cuts = offsets[1:]
    parts = zip(np.split(hidden, cuts)[:-1], np.split(alphas, cuts)[:-1], strict=True)
    return list(parts)
