"""Names of a test's cases that are the same in every process."""

from __future__ import annotations

import re

__all__ = ["named"]


def named(value: object) -> str:
    """What a value is, without its address."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
