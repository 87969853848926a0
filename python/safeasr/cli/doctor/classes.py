"""How safeasr runs FunASR's classes, and what its short names stand for."""

from __future__ import annotations

import importlib
import importlib.metadata
from dataclasses import dataclass
from typing import Any, Final

from safeasr.cli.models import quiet_stdout
from safeasr.errors import UnsupportedModelError
from safeasr.families import model_classes
from safeasr.loading.hub import CLASSES, OPENAI_CLASS, aliases

__all__ = [
    "GUARDED",
    "NATIVE",
    "NOT",
    "Classes",
    "Name",
    "how_class_runs",
    "registered_classes",
    "short_names",
]

NATIVE: Final = "native"
GUARDED: Final = "guarded"
NOT: Final = "not"
_HUBS: Final = ("ms", "hf", "openai")


def how_class_runs(model_class: str) -> str:
    """Either "native" or "guarded"; whether FunASR has the class at all is not looked at."""
    return NATIVE if model_class in model_classes() else GUARDED


@dataclass(frozen=True)
class Classes:
    """FunASR's registered classes of models.

    Attributes:
        funasr: its version.
        how: "native", "guarded" or "not", by the class's name, in alphabetical order.
    """

    funasr: str
    how: dict[str, str]

    def count(self, how: str) -> int:
        """Of those that run so."""
        return sum(one == how for one in self.how.values())

    def in_words(self) -> str:
        """The counts, as the README shows them."""
        return (
            f"Of the {len(self.how)} model classes that FunASR {self.funasr} registers, "
            f"{self.count(NATIVE)} run natively, {self.count(GUARDED)} guarded, and "
            f"{self.count(NOT)} are none of AutoModel's"
        )


def registered_classes() -> Classes:
    """What is in FunASR's register; classes whose own packages are missing here are not.

    A class without an ``inference`` of its own, such as a converter of checkpoints, is none that
    ``AutoModel`` can ask.

    Raises:
        UnsupportedModelError: if funasr is missing.
    """
    try:
        with quiet_stdout():  # it says its version
            importlib.import_module("funasr").AutoModel  # noqa: B018  (fills the register)
            tables: Any = importlib.import_module("funasr.register").tables
    except ImportError as error:
        raise UnsupportedModelError(
            f"FunASR's classes are FunASR's to tell: pip install 'safeasr[funasr]' ({error})"
        ) from error
    how = {
        name: how_class_runs(name) if hasattr(kind, "inference") else NOT
        for name, kind in sorted(tables.model_classes.items())
    }
    return Classes(importlib.metadata.version("funasr"), how)


@dataclass(frozen=True)
class Name:
    """One of FunASR's short names.

    Attributes:
        name: the name.
        on: what it stands for, by hub.
        model_class: of the model; "" if FunASR has added the name since.
    """

    name: str
    on: dict[str, str]
    model_class: str

    @property
    def how(self) -> str:
        """How safeasr runs it: "native" or "guarded"; "" if the class is not known."""
        return how_class_runs(self.model_class) if self.model_class else ""


def short_names() -> list[Name]:
    """All of FunASR's short names, in the order of its lists.

    Raises:
        ExportError: if funasr is missing.
    """
    maps = {hub: aliases(hub) for hub in _HUBS}
    names = dict.fromkeys(name for hub in _HUBS for name in maps[hub] if "/" not in name)
    found = []
    for name in names:
        on = {hub: maps[hub][name] for hub in _HUBS if name in maps[hub]}
        usual = OPENAI_CLASS if list(on) == ["openai"] else ""
        found.append(Name(name, on, CLASSES.get(name, usual)))
    return found
