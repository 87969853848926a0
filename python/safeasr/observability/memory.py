"""How much memory the process has."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress

__all__ = ["resident_bytes"]


def resident_bytes() -> int:
    """The process's resident memory in bytes; where nobody says, the most that it ever was."""
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
