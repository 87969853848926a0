"""The registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class _Tables:
    def __init__(self) -> None:
        self.model_classes: dict[str, Any] = {}

    def register(self, table: str, name: str) -> Callable[[Any], Any]:
        def note(made: Any) -> Any:
            getattr(self, table)[name] = made
            return made

        return note


tables = _Tables()
