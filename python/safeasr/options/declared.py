"""How options are declared: their names, what they may be, and where they may be given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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

    def __init__(self, *options: Option, beyond: Callable[[str], bool] | None = None) -> None:
        """Collect options; of two with one name the first counts.

        Args:
            options: that are declared.
            beyond: of a name that is not, whether it is taken all the same, with whatever value:
                the model's own code knows what it means.
        """
        self._beyond = beyond
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
        beyond = self._beyond or other._beyond
        return Options(*self.values(), *other.values(), beyond=beyond)

    def __sub__(self, names: Iterable[str]) -> Options:
        left = set(names)
        options = (option for option in self.values() if option.name not in left)
        if self._beyond is None:
            return Options(*options)
        return Options(*options, beyond=lambda name: name not in left and self.takes(name))

    @property
    def takes_others(self) -> bool:
        """Whether some are taken that nobody declared."""
        return self._beyond is not None

    def takes(self, name: str) -> bool:
        """Whether an option of that name is declared here, or taken although it is not."""
        return name in self or (self._beyond is not None and self._beyond(name))

    def own(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the given options that are taken here."""
        return {name: value for name, value in given.items() if self.takes(name)}
