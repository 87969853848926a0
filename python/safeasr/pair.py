"""A recording with its text: what models take that accept "pairs"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pair"]


class Pair(NamedTuple):
    """A recording with its text.

    Attributes:
        samples: (n,) float32.
        text: what was said.
    """

    samples: NDArray[np.float32]
    text: str
