"""The package funasr-onnx: Paraformer as ONNX programs, as its README calls it."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.targets.base import Options, TargetError

__all__ = ["load_onnx"]


class _Onnx:
    def __init__(self, recogniser: Any) -> None:
        self._recogniser = recogniser

    def generate(self, input: NDArray[np.float32], **options: Any) -> list[dict[str, Any]]:
        """In the form in which AutoModel answers."""
        found = self._recogniser(input, **options)
        return [{"text": _text(one)} for one in found]


def _text(one: Any) -> str:
    preds = one.get("preds", "") if isinstance(one, dict) else one
    return str(preds[0] if isinstance(preds, list | tuple) and preds else preds)


def load_onnx(options: Options) -> _Onnx:
    """The recogniser of a directory that holds ``model.onnx``.

    Raises:
        TargetError: the package is not installed, or takes the model for none of its own.
    """
    try:
        package = importlib.import_module("funasr_onnx")
    except ImportError as error:
        raise TargetError(
            f"funasr-onnx is not here ({error}): pip install --no-deps funasr-onnx"
        ) from error
    try:
        return _Onnx(
            package.Paraformer(options.model, **{"batch_size": 1, **options.model_options})
        )
    except Exception as error:
        raise TargetError(f"funasr-onnx cannot load {options.model}: {error}") from error
