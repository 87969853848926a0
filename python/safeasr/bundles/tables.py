"""Vocabularies and CMVN of model directories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from safeasr.bundles.damage import read_small
from safeasr.bundles.files import read_json
from safeasr.bundles.settings import shown
from safeasr.errors import ExportError
from safeasr.printable import printable

__all__ = ["check_vocabulary", "read_cmvn", "read_vocabulary"]


def read_vocabulary(path: Path | None) -> list[str]:
    """The tokens of a tokens.json (a list) or tokens.txt (one a line).

    Raises:
        ExportError: if there is no such file, or it holds no list of strings.
    """
    if path is None:
        raise ExportError("the model directory has no tokens.json or tokens.txt")
    if path.suffix != ".json":
        lines = read_small(path, "vocabulary").split("\n")
        return [line.rstrip() for line in (lines if lines[-1] else lines[:-1])]
    tokens = read_json(path)
    if not isinstance(tokens, list) or not tokens:
        got = "an empty one" if tokens == [] else f"a {type(tokens).__name__}"
        raise ExportError(f"{path} must hold a list of strings, got {got}")
    for number, token in enumerate(tokens):
        if not isinstance(token, str):
            raise ExportError(f"{path} must hold a list of strings, got {shown(token)} at {number}")
        if any("\ud800" <= letter <= "\udfff" for letter in token):
            raise ExportError(f"{path}: token {number} holds half of a character: {token!a}")
    return tokens


def check_vocabulary(path: Path | None, tokens: list[str], scores: Tensor | None) -> None:
    """Refuse a vocabulary that is not the network's.

    Args:
        path: its file.
        tokens: what it holds.
        scores: the checkpoint's weights of the last layer, (tokens, size), if it has them.

    Raises:
        ExportError: if the numbers differ, or a token comes twice, which FunASR refuses too.
    """
    if scores is not None and scores.dim() == 2 and len(tokens) != len(scores):
        raise ExportError(
            f"{path} does not fit the checkpoint: it has {len(tokens)} tokens, and the network "
            f"gives scores of {len(scores)}"
        )
    seen: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if seen.setdefault(token, number) != number:
            raise ExportError(
                f"{path}: the token {shown(token)} stands at {seen[token]} and at {number}"
            )


def read_cmvn(path: Path | None) -> tuple[list[float], list[float]]:
    """Shift and scale from an am.mvn file (Kaldi nnet text); empty lists without a file.

    Raises:
        ExportError: if the file holds no pair of equally long vectors of finite numbers.
    """
    if path is None:
        return [], []
    words = read_small(path, "CMVN in Kaldi's nnet format").split()

    def vector(after: str) -> list[float]:
        # <AddShift> 560 560 <LearnRateCoef> 0 [ v v ... ]
        start = words.index("[", words.index(after)) + 1
        with np.errstate(over="ignore"):  # said below
            return [float(np.float32(w)) for w in words[start : words.index("]", start)]]

    try:
        shift, scale = vector("<AddShift>"), vector("<Rescale>")
    except ValueError as error:
        raise ExportError(
            f"{path} is not a CMVN file in Kaldi's nnet format: {printable(error)}"
        ) from error
    if len(shift) != len(scale) or not shift:
        raise ExportError(f"{path}: {len(shift)} shifts but {len(scale)} scales")
    for name, values in (("AddShift", shift), ("Rescale", scale)):
        for number, value in enumerate(values):
            if not np.isfinite(value):
                raise ExportError(
                    f"{path}: value {number} of {name} is {value}: every text would be empty"
                )
    return shift, scale
