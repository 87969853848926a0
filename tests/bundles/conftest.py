"""Models that a test may damage, and an empty cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.damaged import MODELS


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for one test."""
    monkeypatch.setenv("SAFEASR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def vad(tmp_path: Path) -> Path:
    """A copy of the embedded detector."""
    return Path(shutil.copytree(MODELS / "demo-vad", tmp_path / "vad"))


@pytest.fixture
def asr(tmp_path: Path) -> Path:
    """A copy of the embedded recogniser."""
    ignore = shutil.ignore_patterns("audio")
    return Path(shutil.copytree(MODELS / "demo", tmp_path / "asr", ignore=ignore))
