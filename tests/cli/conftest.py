"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_model import FakeModel


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeModel]]:
    FakeModel.made, FakeModel.failing = [], {}
    monkeypatch.setattr("safeasr.cli.models.AutoModel", FakeModel)
    yield FakeModel
    assert all(model.closed for model in FakeModel.made)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = []
    for i, name in enumerate(("a.wav", "b.wav", "c.wav"), 1):
        (tmp_path / name).write_bytes(b"x" * i)
        paths.append(str(tmp_path / name))
    return paths
