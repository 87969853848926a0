"""The one checker of options: of the constructor, of calls, of streams, of models beside others."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from safeasr.options.declared import Options, Where
from safeasr.options.names import (
    COMMON,
    CONFIG_KEYS,
    CONSTRUCTOR,
    HOTWORDS,
    OF_SOME_MODELS,
    OWN,
)
from safeasr.warn import warn

__all__ = ["AUTO_MODEL", "GENERATE", "STREAM", "Place", "checked", "of_model", "strangers"]


@dataclass(frozen=True)
class Place:
    """Where options are given.

    Attributes:
        name: for messages.
        takes: options that are declared for one of these are taken.
        common: options that belong to no family and are taken.
        others: names that are taken without a look.
        elsewhere: names that another place takes, with its name.
    """

    name: str
    takes: Where
    common: Options = field(default_factory=Options)
    others: frozenset[str] = frozenset()
    elsewhere: Mapping[str, str] = field(default_factory=dict)


def _belong(to: str, names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, to)


_OF_AUTO_MODEL = CONSTRUCTOR | CONFIG_KEYS | OWN
_OF_CALLS = COMMON | HOTWORDS

AUTO_MODEL = Place("AutoModel", Where.CONSTRUCTOR, _OF_CALLS, CONSTRUCTOR | CONFIG_KEYS)
GENERATE = Place("generate", Where.CALL, _OF_CALLS, elsewhere=_belong("AutoModel", _OF_AUTO_MODEL))
STREAM = Place(
    "stream",
    Where.BOTH,
    elsewhere=_belong("AutoModel", _OF_AUTO_MODEL) | _belong("generate", _OF_CALLS),
)


def of_model(argument: str) -> Place:
    """The options of a model beside another: ``vad_kwargs`` and its like.

    FunASR builds the model with them, so they may hold arguments of the constructor and keys of
    config.yaml too.
    """
    return Place(
        argument,
        Where.CONSTRUCTOR,
        others=CONSTRUCTOR | CONFIG_KEYS | {"device", "batch_size"},
        elsewhere=_belong("generate", _OF_CALLS),
    )


def _taken(place: Place, options: Options) -> set[str]:
    """Names that are understood in a place."""
    declared = {name for name, option in options.items() if option.where & place.takes}
    return declared | set(place.common) | place.others


def strangers(given: Iterable[str], place: Place, options: Options) -> set[str]:
    """Names that mean nothing in a place, nor anywhere else."""
    return set(given) - _taken(place, options) - place.elsewhere.keys() - OF_SOME_MODELS


def checked(given: Mapping[str, Any], place: Place, options: Options) -> dict[str, Any]:
    """The given options that a place takes; what is left out is named at the user's line.

    Args:
        given: names and values.
        place: where they were given.
        options: that the models understand.

    Raises:
        ValueError: for a value of a wrong type or out of range: names the option, where it was
            given, what was expected, and what came.
    """
    taken: dict[str, Any] = {}
    for name, value in given.items():
        option = options.get(name) or place.common.get(name)
        if option is None:
            if name in place.others:
                taken[name] = value
            else:
                _name_unknown(name, value, place, options)
        elif name in options and not option.where & place.takes:
            owner = AUTO_MODEL if option.where is Where.CONSTRUCTOR else GENERATE
            warn(f"option {name!r} belongs to {owner.name}: {place.name} ignores it")
        elif value is not None and not option.kind.accepts(value):
            raise ValueError(
                f"{name} must be {option.kind.words}, got {value!r} (an option of {place.name})"
            )
        else:
            taken[name] = value
    return taken


def _name_unknown(name: str, value: Any, place: Place, options: Options) -> None:
    if name in place.elsewhere:
        warn(f"option {name!r} belongs to {place.elsewhere[name]}: {place.name} ignores it")
    elif name in OF_SOME_MODELS:
        if value:
            warn(f"option {name!r} has no effect for this model")
    else:
        nearest = difflib.get_close_matches(name, sorted(_taken(place, options)), 1, 0.75)
        hint = f": did you mean {nearest[0]!r}?" if nearest else ""
        warn(f"unknown option {name!r} of {place.name} is ignored{hint}")
