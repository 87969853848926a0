"""What several test modules share: a cache of their own, small models, subprocesses."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import safeasr
from safeasr import AutoModel
from support.processes import child_environment, run_to_end


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a CUDA device where there is none."""
    import torch

    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device, and torch sees none")
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(skip)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--tensor-op-path",
        action="store_true",
        help="Run the CPU by the tensor operations that other devices run. Tests that compare bits "
        "fail then.",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell's background jobs ignore it, and tests of Ctrl-C would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--tensor-op-path"):
        safeasr._ext.force_tensor_op_path(True)


@pytest.fixture
def tensor_op_path() -> Iterator[None]:
    """The CPU goes the way of other devices while the test runs."""
    safeasr._ext.force_tensor_op_path(True)
    yield
    safeasr._ext.force_tensor_op_path(False)


@pytest.fixture(autouse=True)
def usual_logging() -> None:
    """FunASR sets the root's level when it is imported and when it loads a model."""
    logging.getLogger().setLevel(logging.WARNING)
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the user's cache."""
    path = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAFEASR_CACHE", str(path))
        yield path


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small FunASR model with random weights."""
    pytest.importorskip("funasr", reason="funasr makes the models that the tests use")
    from support.models import write_model_dir

    return write_model_dir(tmp_path_factory.mktemp("usual"))


@pytest.fixture(scope="session")
def model(model_dir: Path) -> Iterator[AutoModel]:
    """That model, loaded; for tests that neither close it nor count its requests."""
    with AutoModel(model=str(model_dir), num_workers=2, disable_pbar=True) as one:
        yield one


@pytest.fixture
def make_model(model_dir: Path) -> Iterator[Callable[..., AutoModel]]:
    """Makes models that are closed when the test ends."""
    made: list[AutoModel] = []

    def make(directory: Path | str = model_dir, **options: Any) -> AutoModel:
        options = {"num_workers": 1, "disable_pbar": True, **options}
        made.append(AutoModel(model=str(directory), **options))
        return made[-1]

    yield make
    for one in made:
        one.close(drain=False)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Any]:
    """Holds up gated programs until it is opened; opened at the end, so that nothing hangs."""
    from support.programs import Gate

    one = Gate(tmp_path / "gate")
    yield one
    one.open()


@pytest.fixture
def gated_model(
    make_model: Callable[..., AutoModel], model_dir: Path, tmp_path: Path, gate: Any
) -> Callable[..., AutoModel]:
    """Makes models whose encoder stands still until the gate is opened."""
    from support.programs import gated_bundle

    bundle = gated_bundle(model_dir, tmp_path / "gated", gate.path)

    def make(**options: Any) -> AutoModel:
        return make_model(bundle, **options)

    return make


@pytest.fixture(scope="session")
def run_python(own_cache: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script in a new interpreter; it must end by itself, within a minute."""

    def run(
        script: str, *arguments: object, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return run_to_end(command, env={**child_environment(), **environment})

    return run


@pytest.fixture(scope="session")
def start_python(own_cache: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a script in a new interpreter, with pipes."""

    def start(script: str, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-u", "-c", script, *map(str, arguments)],
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that runs the tests in the background has them ignore Ctrl-C, and so would
            # their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return start
