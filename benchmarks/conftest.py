"""Options of the pytest benchmarks.

python -m pytest benchmarks -o addopts="" [--quick]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import safeasr
from benchmarks.common.audio import long_clips
from benchmarks.common.load import Processes
from benchmarks.common.models import full_size_model
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.manifest import embedded_clips


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="few rounds, short loads, small model")


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--quick"))


@pytest.fixture(scope="session")
def demo() -> tuple[Path, list[Clip]]:
    return Path(safeasr.__file__).parent / "models" / "demo", embedded_clips()


@pytest.fixture(scope="session")
def full_size(quick: bool) -> tuple[Path, list[Clip]]:
    if quick:
        pytest.skip("--quick leaves the full-size model out")
    pytest.importorskip("funasr", reason="FunASR's classes make the full-size model")
    return full_size_model(), long_clips(24)[1]


@pytest.fixture(scope="module")
def processes() -> Iterator[Callable[[Path, list[Clip]], Processes]]:
    """The processes of one model; those of the model before are ended first."""
    current: dict[Path, Processes] = {}

    def of(directory: Path, clips: list[Clip]) -> Processes:
        if directory not in current:
            end()
            current[directory] = Processes(directory, clips)
        return current[directory]

    def end() -> None:
        for one in current.values():
            one.__exit__(None, None, None)
        current.clear()

    yield of
    end()


@pytest.fixture
def report(benchmark: Any) -> Callable[..., None]:
    """Puts figures beside pytest-benchmark's own times."""

    def add(**figures: Any) -> None:
        benchmark.extra_info.update(figures)

    return add
