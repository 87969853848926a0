"""How options are declared: their names, what they may be, and where they may be given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

from safeasr.options.kinds import (
    ANY,
    FLAG,
    HOTWORD,
    NAME,
    PATH,
    Kind,
    list_of,
    number,
    one_of,
    whole,
)

__all__ = [
    "ANY",
    "FLAG",
    "HOTWORD",
    "NAME",
    "PATH",
    "Kind",
    "Option",
    "Options",
    "Where",
    "list_of",
    "number",
    "one_of",
    "whole",
]


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
