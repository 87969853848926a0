"""Inputs that are features already (``data_type="fbank"``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import AudioError
from safeasr.inputs.audio import is_tensor

__all__ = ["load_features", "split_features"]

_EXPECTED = "expected features of shape [frames, width] or [batch, frames, width]"


def split_features(features: Any, lengths: Any = None) -> list[Any]:
    """The rows of a batch of features, each cut to its length.

    Args:
        features: array or tensor of shape [frames, width] or [batch, frames, width], floating
            point; or a list of arrays of shape [frames, width] or [1, frames, width].
        lengths: frames of each row, a number or a sequence or tensor of them; None: all.

    Returns:
        One array or tensor of shape [frames, width] per row; views, nothing is copied.

    Raises:
        AudioError: if type, shape or lengths do not fit.
    """
    items = list(features) if isinstance(features, (list, tuple)) else [features]
    rows: list[Any] = []
    for item in items:
        if not is_tensor(item) and not isinstance(item, np.ndarray):
            raise AudioError(f"{_EXPECTED}, got {type(item).__name__}")
        if item.ndim not in (2, 3):
            raise AudioError(f"{_EXPECTED}, got shape {tuple(item.shape)}")
        rows.extend([item] if item.ndim == 2 else list(item))
    if lengths is None:
        return rows
    if is_tensor(lengths):
        lengths = lengths.detach().cpu().numpy()
    counts = np.atleast_1d(np.asarray(lengths)).reshape(-1)
    if len(counts) != len(rows) or counts.dtype.kind not in "iu":
        raise AudioError(
            f"input_len must hold one whole number per row: {len(rows)} rows, "
            f"input_len of shape {np.shape(lengths)} and type {counts.dtype}"
        )
    for index, (row, count) in enumerate(zip(rows, counts, strict=True)):
        if not 0 < count <= row.shape[0]:
            raise AudioError(
                f"input_len[{index}] is {count}, but the row has {row.shape[0]} frames"
            )
    return [row[: int(count)] for row, count in zip(rows, counts, strict=True)]


def load_features(source: Any) -> NDArray[np.float32]:
    """Features as a C-contiguous float32 array of shape [frames, width]; no copy if they are one.

    Raises:
        AudioError: if they are empty, not finite, or not floating point.
    """
    if is_tensor(source):
        source = source.detach().cpu()
        if source.is_floating_point():
            source = source.float()
        source = source.numpy()
    array = np.asarray(source)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind != "f":
        raise AudioError(f"{_EXPECTED}, floating point, got {array.dtype} of shape {array.shape}")
    with np.errstate(all="ignore"):
        floats: NDArray[np.float32] = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(floats).all():
        raise AudioError("expected finite features, got some that are NaN or infinite")
    return floats
