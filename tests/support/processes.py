"""New interpreters, as tests start them."""

from __future__ import annotations

import os
from pathlib import Path

import safeasr
from support.paths import TESTS

__all__ = ["child_environment"]


def child_environment() -> dict[str, str]:
    """The environment in which a new interpreter finds this safeasr, tests and their helpers."""
    package = str(Path(safeasr.__file__).resolve().parents[1])
    folders = sorted({str(test.parent) for test in TESTS.rglob("test_*.py")})
    return {**os.environ, "PYTHONPATH": os.pathsep.join([package, *folders])}
