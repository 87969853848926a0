"""Reading YAML and JSON that somebody else wrote, within limits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from safeasr.bundles.damage import read_small
from safeasr.bundles.settings import check_depth
from safeasr.errors import ExportError

__all__ = ["read_json", "read_yaml"]

#: PyYAML reads about 1 MB in 10 s, so that larger files would look like a hang.
_MOST_YAML = 4 << 20
#: Values that a file may stand for once its aliases are written out.
_MOST_VALUES = 500_000
_MOST_LEVELS = 100
#: Numbers such as 1e-05, which FunASR's reader takes for what they are, and PyYAML for strings.
_EXPONENTIAL = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+\Z")


class _RefusedError(Exception):
    """A file that would grow or nest without end."""


class _Loader(yaml.SafeLoader):
    """Makes plain values, and counts what aliases stand for.

    Some hundred bytes of aliases to aliases stand for billions of values: harmless until somebody
    goes through them. One that stands for what it lies in has no end at all.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._levels = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            node: yaml.Node | None = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise _RefusedError("an alias stands for something that it is a part of")
            self._count(self._sizes[id(node)])
            return node
        if self._levels == _MOST_LEVELS:
            raise _RefusedError(f"it is nested more than {_MOST_LEVELS} deep")
        before = self._values
        self._levels += 1
        node = super().compose_node(parent, index)
        self._levels -= 1
        self._count(1)
        self._sizes[id(node)] = self._values - before
        return node

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > _MOST_VALUES:
            raise _RefusedError(f"with its aliases it stands for more than {_MOST_VALUES:,} values")


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENTIAL, list("-+0123456789."))


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; tags make no objects.

    Raises:
        ExportError: if it cannot be read, is not valid, or has no sensible size.
    """
    text = read_small(path, "YAML")
    if len(text) > _MOST_YAML:
        raise ExportError(f"{path} is larger than {_MOST_YAML >> 20} MB: no configuration is")
    try:
        loader = _Loader(text)
        try:
            found = loader.get_single_data()
        finally:
            loader.dispose()
    except MemoryError:
        raise
    except _RefusedError as error:
        raise ExportError(f"{path} is refused: {error}") from error
    except Exception as error:  # PyYAML lets through what dates, numbers and odd tags raise
        raise ExportError(f"{path} is not valid YAML: {error}") from error
    check_depth(found, str(path))
    return found


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ExportError: if it cannot be read or is not valid.
    """
    text = read_small(path, "JSON")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path} is not valid JSON: {error}") from error
    check_depth(found, str(path))
    return found
