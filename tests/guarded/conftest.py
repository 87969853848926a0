"""The toys, guarded in a thread and in processes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel
from support.guarded import quick_funasr, toy, write_toy

pytest.importorskip("funasr", reason="FunASR's own code runs guarded models")


@pytest.fixture(scope="session")
def toy_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recogniser."""
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def live_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that takes recordings in pieces."""
    return write_toy(tmp_path_factory.mktemp("live"), "GuardedLiveToy")


@pytest.fixture(scope="session")
def in_thread(toy_dir: Path) -> Iterator[AutoModel]:
    """A recogniser in a thread, by FunASR itself."""
    with toy(toy_dir) as model:
        yield model


@pytest.fixture(scope="session")
def in_processes(toy_dir: Path) -> Iterator[AutoModel]:
    """The same in two processes."""
    with quick_funasr():
        model = toy(toy_dir, isolation="process", workers=2)
    with model:
        yield model


@pytest.fixture(params=["in_thread", "in_processes"])
def guarded(request: pytest.FixtureRequest) -> AutoModel:
    """Each of them; tests neither close it nor count its requests."""
    found: AutoModel = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def make(toy_dir: Path) -> Iterator[Callable[..., AutoModel]]:
    """Makes guarded models that are closed when the test ends; their processes start soon."""
    made: list[AutoModel] = []

    def one(path: Path = toy_dir, **options: Any) -> AutoModel:
        with quick_funasr(), warnings.catch_warnings():
            made.append(toy(path, **options))
        return made[-1]

    yield one
    for model in made:
        model.close(drain=False)
