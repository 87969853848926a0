"""Benchmarks as their users run them."""

from __future__ import annotations

import sys

from support.paths import ROOT
from support.processes import child_environment, run_to_end

__all__ = ["run_benchmark"]


def run_benchmark(*words: str, timeout: float = 300, **environment: str) -> str:
    """Run ``python -m`` with these words; it must end well.

    Args:
        *words: the module and its arguments.
        timeout: seconds that it may take.
        **environment: variables beside those that there are.

    Returns:
        What it printed.
    """
    done = run_to_end(
        [sys.executable, "-m", *words],
        timeout=timeout,
        cwd=ROOT,
        env={**child_environment(), **environment},
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout
