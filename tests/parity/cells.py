"""The cells of the table: a model, options, a kind of input; many recordings in each.

Networks with random weights have genuine ties. Whether FunASR's answer to a recording is a decision
is found out from FunASR alone: it must stay the same when the recording gets noise far below what
anybody hears. Recordings for which it does not are counted apart.
"""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.kinds import FOR_FUNASR, Stream, forms_of
from safeasr import AutoModel
from support.oracle import pipeline_oracle

__all__ = ["Cell", "Subject", "cells_of"]

THREADS = 16
#: Share of a recording's own loudness.
NOISE = 1e-4
TRIES = 3
#: Of the largest number of an embedding; of a score, which is 1 at most.
TOLERANCE = 1e-4
#: Of a keyword's score.
SCORES = 1e-3
_HEARD = ("detected ", "rejected")
_DETECTED = re.compile(r"(detected \S+) (\S+)$")


@dataclass(frozen=True)
class Subject:
    """What is compared.

    Attributes:
        name: in the table.
        models: arguments of ``AutoModel``.
        calls: options of ``generate``, a row each.
        clips: recordings or texts.
        text: whether they are texts.
        stream: whether they are streams.
        pairs: whether they are recordings with their texts.
        forms: names of the kinds of input, if not all.
    """

    name: str
    models: Mapping[str, Any]
    calls: list[dict[str, Any]]
    clips: list[Any]
    text: bool = False
    stream: bool = False
    pairs: bool = False
    forms: tuple[str, ...] = ()


@dataclass
class Cell:
    """One row and column of a subject: how many cases came out how."""

    row: str
    column: str
    equal: int = 0
    undecided: int = 0
    different: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)


def answer(model: Any, given: Any, options: Mapping[str, Any]) -> Any:
    """Results without random keys, or the name of the error."""
    np.random.seed(0)  # what FunASR's clustering draws from
    try:
        results = _asked(model, given, options)
    except Exception as error:
        return type(error).__name__
    return [
        {name: one[name] for name in one if name != "key" or not str(one["key"]).startswith("rand")}
        for one in results
    ]


def _asked(model: Any, given: Any, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(given, Stream):
        found: list[dict[str, Any]] = model.generate(given, **options)
        return found
    cache: dict[str, Any] = {}
    return [
        one
        for piece, is_last in given.pieces
        for one in model.generate(piece.copy(), cache=cache, is_final=is_last, **options)
    ]


def _as_named(found: Any, expected: list[dict[str, Any]]) -> Any:
    """Ours without the keys that FunASR does not give, and the results."""
    if isinstance(found, str):
        return found
    if len(expected) < len(found) and expected and str(expected[0].get("text")).startswith(_HEARD):
        return [one for one in found if one["text"]]  # it tells of keywords at the ends of streams
    if not expected or "spk_embedding" not in expected[0]:
        return found
    return [{name: one[name] for name in one if name != "key"} for one in found]


def same(found: Any, expected: Any) -> bool:
    """Equal; numbers of embeddings and scores nearly so."""
    if isinstance(expected, (torch.Tensor, np.ndarray)):
        ours, theirs = (torch.as_tensor(one) for one in (found, expected))
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return False
        return bool((ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max())
    if isinstance(expected, float):
        return isinstance(found, float) and abs(found - expected) <= TOLERANCE
    if isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            return False
        return all(same(found[name], expected[name]) for name in expected)
    if isinstance(expected, (list, tuple)):
        if not isinstance(found, (list, tuple)) or len(found) != len(expected):
            return False
        return all(same(a, b) for a, b in zip(found, expected))
    return bool(_said(found, expected))


def _said(found: Any, expected: Any) -> bool:
    """Equal; scores of keywords nearly so."""
    ours, theirs = (
        _DETECTED.match(one) if isinstance(one, str) else None for one in (found, expected)
    )
    if ours is None or theirs is None:
        return bool(found == expected)
    near = abs(float(ours[2]) - float(theirs[2])) <= SCORES * float(theirs[2])
    return ours[1] == theirs[1] and near


def is_decided(theirs: Any, clip: Any, options: Mapping[str, Any]) -> bool:
    """Whether FunASR's answer survives noise."""
    if isinstance(clip, str):
        return True
    wave = clip[0] if isinstance(clip, tuple) else clip
    stream = clip if isinstance(clip, Stream) else Stream([(wave, True)])

    def asked(pieces: Stream) -> Any:
        narrow = Stream([(one.astype(np.float32), last) for one, last in pieces.pieces])
        given: Any = narrow if isinstance(clip, Stream) else narrow.pieces[0][0]
        if isinstance(clip, tuple):
            given = (given, clip[1])
        return answer(theirs, given, options)

    expected = asked(stream)
    for seed in range(TRIES):
        moved = asked(stream.noisy(seed, NOISE))
        if isinstance(moved, str) or not all(_same_words(a, b) for a, b in zip(moved, expected)):
            return False
    return True


def _same_words(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    words = ("text", "text2", "value", "timestamp", "words", "sentence_info")
    return all(_said(one.get(name), other.get(name)) for name in words)


def cells_of(subject: Subject) -> Iterator[Cell]:
    """The cells of a subject, row by row; ours are asked alone first, then from many threads."""
    forms = forms_of(text=subject.text, stream=subject.stream, pairs=subject.pairs)
    with (
        tempfile.TemporaryDirectory() as root,
        AutoModel(**subject.models, disable_pbar=True) as model,
    ):
        work: list[tuple[Cell, Any, dict[str, Any], Any]] = []
        cells = []
        for options in subject.calls:
            row = ", ".join(f"{name}={_shown(value)}" for name, value in options.items())
            theirs = pipeline_oracle(**subject.models)
            decided = [is_decided(theirs, clip, options) for clip in subject.clips]
            for column, form in forms.items():
                if subject.forms and column not in subject.forms:
                    continue
                cell = Cell(row, column)
                cells.append(cell)
                for number, clip in enumerate(subject.clips):
                    folder = Path(root, f"{len(cells)}-{number}")
                    folder.mkdir()
                    theirs_form = FOR_FUNASR.get(column, form)
                    expected = answer(theirs, theirs_form(clip, folder), options)
                    if isinstance(expected, str):
                        cell.refused[expected] = cell.refused.get(expected, 0) + 1
                        continue
                    given = form(clip, folder)
                    if same(_as_named(answer(model, given, options), expected), expected):
                        cell.equal += 1
                        work.append((cell, given, options, expected))
                    elif decided[number]:
                        cell.different.append(f"clip {number}")
                    else:
                        cell.undecided += 1
        random.Random(0).shuffle(work)
        with ThreadPoolExecutor(THREADS) as pool:
            together = pool.map(
                lambda one: same(_as_named(answer(model, one[1], one[2]), one[3]), one[3]), work
            )
            for (cell, *_), equal in zip(work, together):
                if not equal:
                    cell.equal -= 1
                    cell.different.append(f"from {THREADS} threads")
    yield from cells


def _shown(value: Any) -> str:
    if isinstance(value, list) and isinstance(value[0], str):
        return f"{len(value)} words"
    if isinstance(value, str) and value.count(",") > 3:
        return f"a string of {value.count(',') + 1} words"
    if isinstance(value, str) and value.endswith(".txt"):
        return "a .txt by URL" if value.startswith("http") else "a .txt"
    return repr(value)
