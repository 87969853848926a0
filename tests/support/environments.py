"""Python environments for clients that cannot live beside each other, or beside the tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import filelock
import platformdirs
import pytest

__all__ = ["environment_with"]


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
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--retries", "1", *requirements]
            done = subprocess.run(pip, capture_output=True, text=True, check=False)
            if done.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                pytest.skip(f"{', '.join(requirements)} cannot be had: {done.stderr[-300:]}")
            (folder / "complete").touch()
    return python
