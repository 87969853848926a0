"""Python environments for clients that cannot live beside each other, or beside the tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import filelock
import platformdirs
import pytest

from support.processes import run_to_end

__all__ = ["environment_with"]

#: Of pip, whatever its environment says: where there is no network, the test is skipped soon.
_PATIENCE = ("--timeout", "15", "--retries", "1")


def environment_with(*requirements: str) -> Path:
    """The interpreter of an environment with these packages; made once and kept.

    It lies in ``$SAFEASR_TEST_ENVIRONMENTS``, or in the user's cache. Skips the test where the
    packages cannot be had.
    """
    kept = os.environ.get("SAFEASR_TEST_ENVIRONMENTS")
    root = Path(kept) if kept else platformdirs.user_cache_path("safeasr-tests")
    said = "\n".join([sys.version, *requirements])
    folder = root / hashlib.sha256(said.encode()).hexdigest()[:16]
    python = folder / "bin" / "python"
    root.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            done = run_to_end([sys.executable, "-m", "venv", str(folder)], timeout=300)
            assert done.returncode == 0, done.stderr
            pip = [str(python), "-m", "pip", "install", "--quiet", *_PATIENCE, *requirements]
            done = run_to_end(pip, timeout=600)
            if done.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                pytest.skip(f"{', '.join(requirements)} cannot be had: {done.stderr[-300:]}")
            (folder / "complete").touch()
    return python
