"""Settings of a model or a bundle, each asked for by its name, type and range.

What stands in a file that somebody else wrote may be anything. Whoever reads it through here gets
what was asked for, or an error that names the file, the key, what was expected and what came.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from safeasr.errors import ExportError, SafeASRError

__all__ = ["MISSING", "MOST_LAYERS", "MOST_SIZE", "Settings", "check_depth", "shown"]

#: Stands for a default where there is none: the key must be there.
MISSING: Any = object()
#: No network is wider: beyond it a number is damaged, and sizes might not fit 64 bits.
MOST_SIZE = 1 << 20
#: No network has more layers. Building one takes time even without weights.
MOST_LAYERS = 1000
#: Levels of lists and mappings within each other. FunASR's own files have four.
_MOST_LEVELS = 32


def shown(value: object, most: int = 80) -> str:
    """A value for a message, cut where it is long."""
    try:
        text = repr(value)
    except Exception:  # an integer of thousands of digits, or what cannot be shown at all
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def check_depth(value: object, where: str, error: type[SafeASRError] = ExportError) -> None:
    """Refuse lists and mappings nested so deeply that going through them would overflow the stack.

    Args:
        value: what was read; may contain itself.
        where: the file, for the message.
        error: what to raise.
    """
    level: list[object] = [value]
    for _ in range(_MOST_LEVELS):
        inner: dict[int, object] = {}  # by identity: an alias counts once, or there would be no end
        for one in level:
            parts = one.values() if isinstance(one, Mapping) else one
            if isinstance(one, (Mapping, list, tuple)):
                inner.update((id(part), part) for part in parts)  # type: ignore[attr-defined]
        if not inner:
            return
        level = list(inner.values())
    raise error(f"{where}: lists and mappings are nested more than {_MOST_LEVELS} deep")


class Settings:
    """A mapping that was read from a file.

    Args:
        values: the mapping.
        where: the file, for messages.
        error: raised for what is missing or wrong.
        path: names of the mappings that it lies in, outermost first.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        where: str = "config.yaml",
        error: type[SafeASRError] = ExportError,
        path: tuple[str, ...] = (),
    ) -> None:
        self.values = values
        self.where = where
        self.error = error
        self._path = path

    @classmethod
    def of(cls, given: Mapping[str, Any] | Settings) -> Settings:
        """Settings of a plain mapping; those that are some already stay as they are."""
        return given if isinstance(given, Settings) else cls(given)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def name(self, key: str) -> str:
        """The key with the names of all mappings around it: ``encoder_conf.output_size``."""
        return ".".join((*self._path, key))

    def wrong(self, key: str, expected: str) -> SafeASRError:
        """The error for a value that is not what was expected."""
        got = shown(self.values.get(key))
        return self.error(f"{self.where}: {self.name(key)} must be {expected}, got {got}")

    def _value(self, key: str, default: Any) -> Any:
        if key in self.values:
            return self.values[key]
        if default is MISSING:
            raise self.error(f"{self.where} has no {self.name(key)}")
        return default

    def section(self, key: str, *, optional: bool = False) -> Settings:
        """A mapping within this one.

        Args:
            key: its name.
            optional: it may be missing or null, which is the same as empty.
        """
        found = self._value(key, None if optional else MISSING)
        if found is None and optional:
            found = {}
        if not isinstance(found, Mapping):
            raise self.wrong(key, "a mapping")
        return Settings(found, self.where, self.error, (*self._path, key))

    def whole(
        self, key: str, default: Any = MISSING, *, least: int = 0, most: int = MOST_SIZE
    ) -> int:
        """A whole number from ``least`` to ``most``; YAML may have written it as ``4.0``."""
        found = self._value(key, default)
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise self.wrong(key, f"a whole number from {least} to {most}")
        return found

    def number(
        self, key: str, default: Any = MISSING, *, least: float = -1e12, most: float = 1e12
    ) -> float:
        """A finite number from ``least`` to ``most``."""
        found = self._value(key, default)
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise self.wrong(key, "a number")
        if not least <= found <= most or not math.isfinite(found):
            raise self.wrong(key, f"a number from {least:g} to {most:g}")
        return float(found)

    def flag(self, key: str, default: Any = MISSING) -> bool:
        """True or false; 1 and 0 stand for them in FunASR's files."""
        found = self._value(key, default)
        if isinstance(found, bool) or (isinstance(found, int) and found in (0, 1)):
            return bool(found)
        raise self.wrong(key, "true or false")

    def text(self, key: str, default: Any = MISSING) -> str:
        """A string."""
        found = self._value(key, default)
        if not isinstance(found, str):
            raise self.wrong(key, "a string")
        return found

    def wholes(
        self, key: str, default: Any = MISSING, *, least: int = 0, most: int = MOST_SIZE
    ) -> list[int]:
        """A list of whole numbers from ``least`` to ``most``."""
        found = self._value(key, default)
        kind = f"a list of whole numbers from {least} to {most}"
        if not isinstance(found, (list, tuple)):
            raise self.wrong(key, kind)
        for one in found:
            if isinstance(one, bool) or not isinstance(one, int) or not least <= one <= most:
                raise self.wrong(key, kind)
        return list(found)

    def numbers(self, key: str, default: Any = MISSING) -> list[float]:
        """A list of finite numbers that float32 can hold."""
        found = self._value(key, default)
        if not isinstance(found, (list, tuple)):
            raise self.wrong(key, "a list of numbers")
        for one in found:
            good = isinstance(one, (int, float)) and not isinstance(one, bool)
            if not good or not abs(one) <= 3.4e38:  # which NaN is not
                raise self.wrong(key, "a list of finite numbers")
        return [float(one) for one in found]
