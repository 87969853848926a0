"""The one checker of options: of the constructor, of calls, of streams, of models beside others."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from safeasr.options.declared import NAME, Option, Options, Where
from safeasr.options.kinds import require, shown
from safeasr.options.names import (
    COMMON,
    CONFIG,
    CONSTRUCTOR_OPTIONS,
    HOTWORDS,
    OF_SOME_MODELS,
    OWN,
    WITHOUT_EFFECT,
)
from safeasr.warn import warn

__all__ = [
    "AUTO_MODEL",
    "GENERATE",
    "STREAM",
    "Place",
    "checked",
    "of_model",
    "plain",
    "strangers",
    "without_none",
]


@dataclass(frozen=True)
class Place:
    """Where options are given.

    Attributes:
        name: for messages.
        takes: options that are declared for one of these are taken.
        common: options that belong to no family and are taken.
        elsewhere: names that another place takes, with its name.
    """

    name: str
    takes: Where
    common: Options = field(default_factory=Options)
    elsewhere: Mapping[str, str] = field(default_factory=dict)


def _belong(to: str, names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, to)


_FOR_MODELS = CONSTRUCTOR_OPTIONS | CONFIG
_OF_AUTO_MODEL = frozenset(_FOR_MODELS) | OWN
_OF_CALLS = COMMON | HOTWORDS
#: Unknown names beyond so many are counted only: to look for their nearest takes time.
_MOST_NAMED = 20

AUTO_MODEL = Place("AutoModel", Where.CONSTRUCTOR, _OF_CALLS | _FOR_MODELS)
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
        _FOR_MODELS | Options(COMMON["device"], COMMON["batch_size"]),
        elsewhere=_belong("generate", _OF_CALLS),
    )


def _taken(place: Place, options: Options) -> set[str]:
    """Names that are understood in a place."""
    declared = {name for name, option in options.items() if option.where & place.takes}
    return declared | set(place.common)


def strangers(given: Iterable[str], place: Place, options: Options) -> set[str]:
    """Names that mean nothing in a place, nor anywhere else."""
    known = _taken(place, options) | place.elsewhere.keys() | OF_SOME_MODELS
    return {name for name in given if name not in known and not options.takes(name)}


def plain(given: Mapping[str, Any], place: Place, options: Options) -> dict[str, Any]:
    """Those of the given options that are declared, as plain Python; no word of the others.

    Raises:
        OptionError: for a value that an option cannot have.
    """
    return {
        name: _value(options[name], given[name], place.name) for name in given if name in options
    }


def checked(given: Mapping[str, Any], place: Place, options: Options) -> dict[str, Any]:
    """The given options that a place takes; what is left out is named at the user's line.

    Args:
        given: names and values.
        place: where they were given.
        options: that the models understand.

    Returns:
        Names and values, numpy's numbers as Python's.

    Raises:
        OptionError: for a value of a wrong type or out of range: names the option, where it was
            given, what was expected, and what came. So it does for names that are no str.
    """
    taken: dict[str, Any] = {}
    unknown: list[tuple[str, Any]] = []
    for name, value in given.items():
        require(NAME, f"the name of an option of {place.name}", name)
        option = options.get(name) or place.common.get(name)
        if option is None and options.takes(name):
            taken[name] = value
        elif option is None:
            unknown.append((name, value))
        elif name in options and not option.where & place.takes:
            owner = AUTO_MODEL if option.where is Where.CONSTRUCTOR else GENERATE
            warn(f"option {name!r} belongs to {owner.name}: {place.name} ignores it")
        else:
            taken[name] = _value(option, value, place.name)
            ignored = name in WITHOUT_EFFECT and name not in options and not options.takes_others
            if ignored and _is_set(value):
                warn(f"option {name!r} of {place.name} has no effect")
    # Named only now: what is wrong anyway needs no advice.
    for name, value in unknown[:_MOST_NAMED]:
        _name_unknown(name, value, place, options)
    if len(unknown) > _MOST_NAMED:
        more = len(unknown) - _MOST_NAMED
        warn(f"{more} more options of {place.name} are unknown or have no effect: ignored")
    return taken


def without_none(taken: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not None, which stands for the default."""
    return {name: value for name, value in taken.items() if value is not None}


def _value(option: Option, value: Any, place: str) -> Any:
    return None if value is None else require(option.kind, option.name, value, place)


def _is_set(value: Any) -> bool:
    try:
        return bool(value)
    except Exception:  # arrays, for one
        return True


def _name_unknown(name: str, value: Any, place: Place, options: Options) -> None:
    if name in place.elsewhere:
        warn(f"option {name!r} belongs to {place.elsewhere[name]}: {place.name} ignores it")
    elif name in OF_SOME_MODELS:
        if _is_set(value):
            warn(f"option {name!r} has no effect for this model")
    else:
        nearest = difflib.get_close_matches(name, sorted(_taken(place, options)), 1, 0.75)
        hint = f": did you mean {nearest[0]!r}?" if nearest else ""
        warn(f"unknown option {shown(name)} of {place.name} is ignored{hint}")
