"""A stand-in for AutoModel, for tests of what lies around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["FakeModel"]


class FakeModel:
    """Stands in for AutoModel: the text is the number of samples or bytes it was given."""

    made: list[FakeModel]
    failing: dict[str, Exception]

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.calls: list[tuple[object, dict[str, Any]]] = []
        self.closed = False
        FakeModel.made.append(self)

    def __enter__(self) -> FakeModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, drain: bool = True) -> None:
        self.closed = True

    def stats(self) -> dict[str, Any]:
        return {"workers": 2, "batches": 1, "batched_requests": 1}

    def generate(self, source: Any, key: str = "", **options: Any) -> list[dict[str, Any]]:
        self.calls.append((source, options))
        if key in FakeModel.failing:
            raise FakeModel.failing[key]
        size = Path(source).stat().st_size if isinstance(source, str) else len(source)
        result: dict[str, Any] = {"key": key, "text": f"size {size}"}
        if options.get("output_timestamp"):
            result["timestamp"] = [[0, 10]]
        return [result]
