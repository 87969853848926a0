"""What the value of an option may be, and the one way to say that it is something else."""

from __future__ import annotations

import math
import numbers
import os
import reprlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from safeasr.errors import OptionError

__all__ = [
    "ANY",
    "CALLABLE",
    "DICT",
    "FLAG",
    "HOTWORD",
    "NAME",
    "PATH",
    "PLAIN_DATA",
    "TIME_LIMIT",
    "Kind",
    "list_of",
    "number",
    "one_of",
    "require",
    "shown",
    "whole",
]

#: The engine counts in 64 bits.
_LARGEST = 2**63 - 1
#: Lists in options are short; an endless iterator must not be followed.
_LONGEST_LIST = 10_000
#: How deep configurations lie within each other. FunASR's own are three deep.
_DEEPEST = 32


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Kind:
    """What the value of an option may be.

    Attributes:
        words: for messages, after "must be".
        accepts: whether a value is one. None is never asked about: it stands for the default.
        plain: an accepted value as plain Python: numpy's numbers become Python's.
    """

    words: str
    accepts: Callable[[Any], bool]
    plain: Callable[[Any], Any] = _as_it_is


_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = _shorten.maxlong = 120


def shown(value: Any) -> str:
    """A value for a message: never long, whatever it is."""
    try:
        return _shorten.repr(value)
    except Exception:  # numbers of too many digits, objects whose repr fails
        return f"a value of type {type(value).__name__}"


def require(kind: Kind, name: str, value: Any, place: str = "") -> Any:
    """The value as plain Python, if it is of a kind.

    Args:
        kind: what it may be.
        name: of the option or argument.
        value: what came.
        place: where an option was given, for the message; "" for arguments.

    Raises:
        OptionError: if it is of another kind: says what was expected, what came and where.
    """
    try:
        if kind.accepts(value):
            return kind.plain(value)
    except Exception:
        pass  # what cannot even be looked at is none
    where = f" (an option of {place})" if place else ""
    raise OptionError(f"{name} must be {kind.words}, got {shown(value)}{where}")


# -- Flags and numbers ----------------------------------------------------------------------------


def _is_flag(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return True
    return isinstance(value, numbers.Integral) and value in (0, 1)


def _is_number(value: Any, least: float, most: float) -> bool:
    # Numbers.Real, not float: numpy's are fine. A bool is a slip, though Python calls it a number.
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        as_float = float(value)
    except OverflowError:
        return False
    # Whole numbers are compared as they are: as floats they may be rounded.
    exact: Any = value if isinstance(value, numbers.Integral) else as_float
    return bool(least <= exact <= most)  # NaN is not


def _plain_number(value: Any) -> int | float:
    return int(value) if isinstance(value, numbers.Integral) else float(value)


ANY = Kind("anything", lambda value: True)
FLAG = Kind("true or false", _is_flag, bool)


def number(words: str = "a number", *, least: float = -math.inf, most: float = math.inf) -> Kind:
    """Numbers of a range; never NaN. Infinity is one unless the range ends before it."""
    return Kind(words, lambda value: _is_number(value, least, most), _plain_number)


def whole(
    words: str = "a whole number", *, least: float = -_LARGEST, most: float = _LARGEST
) -> Kind:
    """Whole numbers of a range, of whatever type; never beyond 64 bits."""
    return Kind(
        words,
        lambda value: (
            _is_number(value, least, most)
            and math.isfinite(value)
            and int(value) == value
            and abs(int(value)) <= _LARGEST
        ),
        int,
    )


#: Of calls; infinity is a way to say that there is none.
TIME_LIMIT = number("a number of seconds of at least 0", least=0)


# -- Words, files, collections --------------------------------------------------------------------


def one_of(*values: str) -> Kind:
    """One of some strings."""
    return Kind(
        f"one of {', '.join(values)}",
        lambda value: isinstance(value, str) and value in values,
        str,
    )


def _is_path(value: Any) -> bool:
    if not isinstance(value, (str, os.PathLike)):
        return False  # a number would be taken for a descriptor, and closed
    path = os.fspath(value)
    # Encoded for its error: half a surrogate pair names no file.
    return isinstance(path, str) and b"\0" not in os.fsencode(path)


NAME = Kind("a str", lambda value: isinstance(value, str), str)
PATH = Kind("a path (str or os.PathLike)", _is_path, lambda value: str(os.fspath(value)))
CALLABLE = Kind("a callable", callable)
DICT = Kind(
    "a dict with names (str) as its keys",
    lambda value: isinstance(value, Mapping) and all(isinstance(key, str) for key in value),
)


def list_of(kind: Kind, words: str, *, least: int = 0, most: int = _LONGEST_LIST) -> Kind:
    """Lists, tuples, arrays and the like, whose items are of a kind.

    Args:
        kind: of the items.
        words: for messages, after "must be".
        least: how many items there are at least.
        most: how many there are at most.
    """

    def accepts(value: Any) -> bool:
        if not isinstance(value, (Collection, np.ndarray)):
            return False
        if isinstance(value, (str, bytes, bytearray, memoryview, Mapping, set, frozenset)):
            return False
        return least <= len(value) <= most and all(kind.accepts(item) for item in value)

    return Kind(words, accepts, lambda value: [kind.plain(item) for item in value])


#: How many words a list may have is said when they are read, with the number that came.
_WORDS = list_of(NAME, "a list of str", most=10_000_000)


def _is_hotword(value: Any) -> bool:
    if isinstance(value, os.PathLike):
        return _is_path(value)
    return isinstance(value, str) or _WORDS.accepts(value)


def _plain_hotword(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return Path(value)  # a file, whatever its name
    return str(value) if isinstance(value, str) else _WORDS.plain(value)


HOTWORD = Kind("a string of words, a list of strings, a path or a URL", _is_hotword, _plain_hotword)


def _is_plain_data(value: Any, deep: int = 0) -> bool:
    if deep > _DEEPEST:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(key, (str, int)) for key in value) and all(
            _is_plain_data(one, deep + 1) for one in value.values()
        )
    if isinstance(value, (list, tuple)):
        return all(_is_plain_data(one, deep + 1) for one in value)
    if isinstance(value, numbers.Real):
        return isinstance(value, bool) or _is_number(value, -math.inf, math.inf)
    return value is None or isinstance(value, str)


def _plain_data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain_data(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_data(one) for one in value]
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return _plain_number(value) if real else value


PLAIN_DATA = Kind(
    f"of dicts, lists, str and numbers, {_DEEPEST} deep at most", _is_plain_data, _plain_data
)
