"""Shapes of small models, as parameters of tests and fixtures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["usual_first"]


def usual_first(shapes: Iterable[Any]) -> list[Any]:
    """The first for everybody, the others with the mark ``slow``."""
    usual, *others = shapes
    return [usual, *(pytest.param(one, marks=pytest.mark.slow) for one in others)]
