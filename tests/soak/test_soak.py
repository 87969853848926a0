"""A short run of what `make soak` does at length."""

from __future__ import annotations

import sys

import pytest

from support.paths import TESTS
from support.processes import child_environment, run_to_end


@pytest.mark.soak
def test_everything_at_once() -> None:
    """In a process of its own, where torch and oneDNN keep few kernels."""
    pytest.importorskip("funasr", reason="funasr makes the models")
    command = [sys.executable, "-m", "soak", "--calls", "4000"]
    done = run_to_end(command, timeout=600, cwd=TESTS, env=child_environment())
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for end in ("generate", "stream", "cache", "cancelled", "InputError", "DeadlineExceededError"):
        assert f" {end}" in done.stdout
