"""Reduced precision: how it is asked for, and whether this machine has it."""

from __future__ import annotations

import pytest

from safeasr import _ext

#: What AutoModel is given for each reduced precision.
OPTIONS: dict[str, dict[str, bool]] = {"bfloat16": {"bf16": True}, "int8": {"quantize": True}}


def require(precision: str) -> None:
    """Skip the test on a processor without the instructions."""
    if not _ext.cpu_supports(precision):
        pytest.skip(f"this processor has no instructions for {precision}")
