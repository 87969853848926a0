"""Targets that tests name on the command line as ``module:function``."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_lock = threading.Lock()
_calls = 0


def exact(samples: NDArray[np.float32], **options: Any) -> str:
    """The loudness of what is said, after 20 ms."""
    time.sleep(0.02)
    return f"{float(np.abs(samples).sum()):.4f}"


def counted(samples: NDArray[np.float32], **options: Any) -> str:
    """The same; the file that ``MADE_UP_CALLS`` names is there once 200 calls are answered."""
    global _calls
    answer = exact(samples)
    with _lock:
        _calls += 1
        if _calls == 200:
            Path(os.environ["MADE_UP_CALLS"]).touch()
    return answer


def odd(samples: NDArray[np.float32], **options: Any) -> str:
    """The same, but every fiftieth answer is another one, and every seventieth fails."""
    global _calls
    with _lock:
        _calls += 1
        number = _calls
    if number > 20 and number % 50 == 0:
        return "something else"
    if number > 20 and number % 70 == 0:
        raise IndexError("list index out of range")
    return exact(samples)


def busy(samples: NDArray[np.float32], **options: Any) -> str:
    """Holds the interpreter."""
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass
    return "busy"
