"""How options are declared: their names, what they may be, and where they may be given."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

import numpy as np

__all__ = [
    "ANY",
    "FLAG",
    "HOTWORD",
    "Kind",
    "Option",
    "Options",
    "Where",
    "number",
    "one_of",
    "whole",
]


@dataclass(frozen=True)
class Kind:
    """What the value of an option may be.

    Attributes:
        words: for messages, after "must be".
        accepts: whether a value is one. None is never asked about: it stands for the default.
    """

    words: str
    accepts: Callable[[Any], bool]


def _is_flag(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return True
    return isinstance(value, numbers.Integral) and value in (0, 1)


def _is_number(value: Any, least: float, most: float) -> bool:
    # Numbers.Real, not float: numpy's are fine. A bool is a slip, though Python calls it a number.
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and least <= value <= most  # NaN is not


def _is_hotword(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, (str, os.PathLike))


ANY = Kind("anything", lambda value: True)
FLAG = Kind("true or false", _is_flag)
HOTWORD = Kind("a string of words, a list of strings, a path or a URL", _is_hotword)


def number(words: str = "a number", *, least: float = -math.inf, most: float = math.inf) -> Kind:
    """Numbers of a range; never NaN."""
    return Kind(words, lambda value: _is_number(value, least, most))


def whole(
    words: str = "a whole number", *, least: float = -math.inf, most: float = math.inf
) -> Kind:
    """Whole numbers of a range, of whatever type."""
    return Kind(
        words,
        lambda value: (
            _is_number(value, least, most) and math.isfinite(value) and int(value) == value
        ),
    )


def one_of(*values: str) -> Kind:
    """One of some strings."""
    return Kind(
        f"one of {', '.join(values)}", lambda value: isinstance(value, str) and value in values
    )


class Where(Flag):
    """Where an option may be given."""

    CALL = auto()
    CONSTRUCTOR = auto()
    BOTH = CALL | CONSTRUCTOR


@dataclass(frozen=True)
class Option:
    """An option of a model.

    Attributes:
        name: FunASR's.
        kind: what its value may be.
        default: where it is not given, or None.
        where: where it may be given. What the constructor gets is the default of its calls.
        help: what it does, in a line.
        hotwords: it names hotwords (of the kind :data:`HOTWORD`). They are read once a call, and
            the model is given :class:`safeasr.text.hotword_pieces.Hotwords` in its place.
    """

    name: str
    kind: Kind = ANY
    default: Any = None
    where: Where = Where.BOTH
    help: str = ""
    hotwords: bool = False


class Options(Mapping[str, Option]):
    """Options by their names. Immutable."""

    def __init__(self, *options: Option) -> None:
        """Collect options; of two with one name the first counts."""
        self._by_name: dict[str, Option] = {}
        for option in options:
            self._by_name.setdefault(option.name, option)

    def __getitem__(self, name: str) -> Option:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __or__(self, other: Options) -> Options:
        return Options(*self.values(), *other.values())

    def __sub__(self, names: Iterable[str]) -> Options:
        left = set(names)
        return Options(*(option for option in self.values() if option.name not in left))

    def own(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the given options that are declared here."""
        return {name: value for name, value in given.items() if name in self}
